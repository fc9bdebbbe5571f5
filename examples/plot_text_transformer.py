"""
=====================================
Influential sentences of a text model
=====================================

A small transformer learns whether a review is positive. Some reviews are labelled
wrongly. Influence shows which training sentences a prediction rests on, and which
sentences harm the model.
"""

# %%
# Sentences
# ---------
#
# Each sentence has a noun, a degree and an opinion, which "not" and "never" turn
# around.

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from skinfluence import TRAK
from skinfluence.datasets import plant_label_flips

torch.set_num_threads(1)
rng = np.random.default_rng(0)
NOUNS = "the film|this plot|the cast|her voice|that scene|the ending".split("|")
VERBS = "was|was not|seemed|never seemed".split("|")
DEGREES = "very|rather|really|quite".split("|")
OPINIONS = {
    1: "good|funny|moving|brilliant|warm".split("|"),
    0: "bad|dull|cold|clumsy|empty".split("|"),
}


def sentences(n):
    """Return sentences and whether they are positive."""
    texts, labels = [], []
    for _ in range(n):
        side = rng.integers(2)
        verb = rng.choice(VERBS)
        words = [rng.choice(NOUNS), verb, rng.choice(DEGREES)]
        texts.append(" ".join([*words, rng.choice(OPINIONS[side])]))
        labels.append(1 - side if "not" in verb or "never" in verb else side)
    return np.array(texts), np.array(labels)


texts, y_true = sentences(400)
test_texts, y_test = sentences(100)

# %%
# A net takes numbers: each word has one, and 0 fills the end of short sentences.
# A tenth of the labels are flipped.

words = sorted({word for text in texts for word in text.split()})
index = {word: k + 1 for k, word in enumerate(words)}


def tokens(texts, places=7):
    """Return the numbers of the words, shape (n_texts, places)."""
    rows = np.zeros((len(texts), places), dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        found = [index[word] for word in text.split()]
        row[: len(found)] = found
    return rows


X, X_test = tokens(texts), tokens(test_texts)
_, y, flipped = plant_label_flips(X, y_true, fraction=0.1, random_state=0)
for text, label in zip(texts[:3], y[:3], strict=True):
    print(label, text)


class Transformer(nn.Module):
    """One encoder layer, and the mean over the words."""

    def __init__(self, size=16, places=7):
        super().__init__()
        self.words = nn.Embedding(len(words) + 1, size)
        self.places = nn.Embedding(places, size)
        self.encoder = nn.TransformerEncoderLayer(
            size, nhead=2, dim_feedforward=32, batch_first=True
        )
        self.head = nn.Linear(size, 2)

    def forward(self, tokens):
        empty = tokens == 0
        where = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.words(tokens) + self.places(where.expand(tokens.shape))
        x = self.encoder(x, src_key_padding_mask=empty)
        weight = (~empty).to(x.dtype)[:, :, None]
        return self.head((x * weight).sum(dim=1) / weight.sum(dim=1))


net = NeuralNetClassifier(
    Transformer,
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=0.01,
    max_epochs=10,
    batch_size=32,
    train_split=None,
    verbose=0,
)

# %%
# Which sentences a prediction rests on
# -------------------------------------
#
# :class:`~skinfluence.TRAK` trains the net and keeps some checkpoints of the run.
# Positive influence: the sentence lowers the loss of the prediction.

trak = TRAK(net, random_state=0).fit(X, y)
print("accuracy:", trak.score(X_test, y_test))
influence = trak.influence(X_test, y_test)

for row in (0, 1):
    print(f"\n{test_texts[row]}, {['negative', 'positive'][y_test[row]]}")
    order = influence[row].argsort()
    for name, best in (("helped by", order[::-1][:4]), ("harmed by", order[:4])):
        for i in best:
            note = "   (flipped)" if flipped[i] else ""
            print(f"  {name} {influence[row, i]:+.3f}  {y[i]}  {texts[i]}{note}")

# %%
# Which sentences harm the model
# ------------------------------
#
# The sum over all test sentences is the value of a training sentence. The lowest values
# belong to sentences with flipped labels.

values = trak.sample_values(X_test, y_test)
lowest = values.argsort()[:12]
for i in lowest:
    print(f"{values[i]:+.4f}  {y[i]}  {texts[i]}{'   (flipped)' if flipped[i] else ''}")
n_flipped = flipped.sum()
found = flipped[values.argsort()[:n_flipped]].mean()
print(f"{found:.0%} of the {n_flipped} lowest values are flipped labels")
