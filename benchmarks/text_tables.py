"""Tables with a column of text, in which numbers and categories say a part only.

Every maker takes a seed and returns columns and targets, as those of `noisy_tables`.
The words are invented or lists in this file; no row is that of a real data set.
"""

import numpy as np
import pandas as pd

BRANDS = "Nordal Kavix Lumo Artemi Velden Brisk Oskar Halden Piko Tamsin".split()
LOOKS = "small large black white grey oak steel classic modern folding compact".split()
GOODS = (
    ("lamp", "desk light", "floor lamp", "lantern", "led bulb"),
    ("chair", "armchair", "stool", "bench", "office seat"),
    ("table", "desk", "side table", "workbench", "counter"),
    ("pan", "saucepan", "wok", "casserole", "frying pan"),
    ("kettle", "coffee maker", "teapot", "toaster", "milk frother"),
    ("towel", "bath mat", "curtain", "bed sheet", "pillow case"),
    ("drill", "hammer", "screwdriver set", "jigsaw", "spirit level"),
    ("shelf", "bookcase", "wardrobe", "chest of drawers", "cabinet"),
)
TRADES = {
    "software engineer": 62,
    "data analyst": 52,
    "nurse": 41,
    "accountant": 47,
    "sales representative": 40,
    "project manager": 60,
    "electrician": 42,
    "teacher": 44,
    "customer support agent": 32,
    "warehouse worker": 29,
    "mechanical engineer": 57,
    "marketing manager": 56,
    "legal assistant": 38,
    "truck driver": 34,
    "research scientist": 59,
    "human resources officer": 45,
}
LEVELS = {"": 1.0, "junior": 0.8, "senior": 1.3, "lead": 1.5, "head of": 1.9}
SPELLINGS = {
    "engineer": ("eng.", "engr", "engineer"),
    "senior": ("sr.", "sr", "snr", "senior"),
    "junior": ("jr.", "jr", "junior"),
    "manager": ("mgr", "mgr.", "manager"),
    "representative": ("rep", "rep.", "representative"),
    "human resources": ("hr", "human resources"),
    "software": ("sw", "software"),
    "assistant": ("asst.", "assistant"),
    "customer": ("cust.", "customer"),
    "street": ("st", "st.", "str.", "street"),
    "road": ("rd", "rd.", "road"),
    "avenue": ("av.", "ave", "avenue"),
    "lane": ("ln", "lane"),
}
SUBJECTS = "algebra history biology drawing chemistry grammar music physics".split()
DAYS = "monday tuesday wednesday thursday friday".split()
TOWNS = "Marlow Easton Verbury Kingsford Ashdale Torwick Lindham Oakmere".split()
STREETS = (
    "mill park station church garden river bridge castle forest market harbour hill"
).split()
KINDS_OF_STREET = "street road avenue lane".split()
LINES = (
    ("database", "connection to {host} timed out after {n} ms"),
    ("database", "deadlock found in transaction {hex}, retry {d}"),
    ("database", "slow query on table orders took {n} ms"),
    ("network", "connection reset by peer {host}"),
    ("network", "dns lookup of {host} failed, attempt {d}"),
    ("network", "packet loss {d} percent on interface eth{d}"),
    ("storage", "no space left on device /dev/sd{d}, {n} blocks missing"),
    ("storage", "checksum of block {hex} does not match"),
    ("storage", "read of {n} bytes from /dev/sd{d} timed out"),
    ("login", "user u{n} rejected from {host}: wrong password"),
    ("login", "session {hex} of user u{n} expired"),
    ("login", "token {hex} is not valid, issued by {host}"),
    ("payment", "card of customer {n} declined by issuer"),
    ("payment", "invoice {hex} was paid twice by customer {n}"),
    ("payment", "gateway {host} answered {n} after {d} attempts"),
)


def products(n):
    """Titles of goods with typing errors, nearly all different; labels: their kind."""

    def make(seed):
        rng = np.random.default_rng(seed)
        kind = rng.choice(len(GOODS), n, p=_falling(len(GOODS), 0.5))
        titles = []
        for k in kind:
            words = [_one(rng, BRANDS), _one(rng, LOOKS), _one(rng, GOODS[k])]
            if rng.random() < 0.3:  # an accessory of another kind of goods
                words += ["for", _one(rng, GOODS[rng.integers(len(GOODS))])]
            words.append(f"{rng.integers(2, 40) * 5} cm")
            titles.append(_misspelt(rng, " ".join(words), 0.04))
        price = np.exp(3 + 0.15 * kind + rng.normal(0, 0.6, n)).round(2)
        X = pd.DataFrame(
            {
                "title": titles,
                "price": price,
                "store": np.array(["north", "south", "web"])[rng.choice(3, n)],
                "weight": np.exp(rng.normal(0.1 * (kind % 3), 0.7, n)).round(1),
            }
        )
        return X, kind

    return make


def comments(n):
    """Comments of 5 to 40 words; labels: praise, neither, complaint."""

    def make(seed):
        rng = np.random.default_rng(seed)
        words = _invented_words(rng, 800)
        common = _falling(len(words), 1.0)
        of_class = common * np.exp(rng.normal(0, 0.7, (3, len(words))))
        of_class /= of_class.sum(axis=1, keepdims=True)
        mood = rng.choice(3, n, p=[0.5, 0.2, 0.3])
        texts = [
            " ".join(rng.choice(words, rng.integers(5, 41), p=of_class[m]))
            for m in mood
        ]
        X = pd.DataFrame(
            {
                "comment": texts,
                "stars": np.clip(rng.normal(4 - mood, 1.5).round(), 1, 5),
                "channel": np.array(["mail", "shop", "phone", "app"])[rng.choice(4, n)],
                "days": rng.integers(0, 60, n),
            }
        )
        return X, mood

    return make


def jobs(n, labels):
    """Job titles in several spellings; pay, or which third of it."""

    def make(seed):
        rng = np.random.default_rng(seed)
        trades, levels = list(TRADES), list(LEVELS)
        trade = rng.choice(len(trades), n, p=_falling(len(trades), 0.6))
        level = rng.choice(len(levels), n, p=[0.4, 0.2, 0.2, 0.12, 0.08])
        titles, pay = [], np.empty(n)
        for i in range(n):
            title = f"{levels[level[i]]} {trades[trade[i]]}".strip()
            title = _misspelt(rng, _spelt(rng, title), 0.02)
            titles.append(title.title() if rng.random() < 0.5 else title)
            pay[i] = TRADES[trades[trade[i]]] * LEVELS[levels[level[i]]]
        years = rng.gamma(2, 4, n).round()
        city = rng.choice(4, n)
        pay *= np.exp(0.015 * years + 0.06 * city + rng.normal(0, 0.12, n))
        X = pd.DataFrame(
            {
                "job": titles,
                "years": years,
                "city": np.array(["Aven", "Borrel", "Cask", "Dorn"])[city],
                "hours": rng.choice([20, 30, 40], n, p=[0.1, 0.2, 0.7]),
            }
        )
        if labels:
            return X, np.digitize(pay, np.quantile(pay, [1 / 3, 2 / 3]))
        return X, (1000 * pay).round()

    return make


def lessons(n):
    """Lines such as "music on monday in room 218"; labels: who teaches then."""

    def make(seed):
        rng = np.random.default_rng(seed)
        subject = rng.choice(len(SUBJECTS), n, p=_falling(len(SUBJECTS), 0.6))
        day = rng.integers(len(DAYS), size=n)
        size = len(SUBJECTS), len(DAYS)
        stands_in = rng.random(size) < 0.35
        own = np.arange(len(SUBJECTS))[:, None] % 6
        teacher = np.where(stands_in, rng.integers(6, size=size), own)
        lines = [
            f"{SUBJECTS[i]} on {DAYS[j]} in room {rng.integers(100, 999)}"
            for i, j in zip(subject, day, strict=True)
        ]
        X = pd.DataFrame(
            {
                "lesson": [_misspelt(rng, line, 0.02) for line in lines],
                "pupils": rng.integers(10, 30, n),
                "hall": rng.choice(list("abc"), n),
            }
        )
        return X, teacher[subject, day]

    return make


def addresses(n, labels):
    """Addresses in several spellings; price of a house, or the town that delivers."""

    def make(seed):
        rng = np.random.default_rng(seed)
        town = rng.choice(len(TOWNS), n, p=_falling(len(TOWNS), 0.7))
        street = rng.choice(len(STREETS), n)
        # Most streets of a town are delivered by it, those near another by that one.
        of_street = rng.choice(len(TOWNS), (len(TOWNS), len(STREETS)))
        near = rng.random(of_street.shape) < 0.25
        lines = []
        for i in range(n):
            kind = _spelt(rng, KINDS_OF_STREET[street[i] % len(KINDS_OF_STREET)])
            line = f"{rng.integers(1, 200)} {STREETS[street[i]]} {kind}, "
            line += TOWNS[town[i]] if rng.random() < 0.9 else TOWNS[town[i]][:4] + "."
            line = _misspelt(rng, line, 0.02)
            lines.append(line if rng.random() < 0.7 else line.upper())
        size = np.exp(rng.normal(4.6, 0.35, n)).round()
        X = pd.DataFrame(
            {
                "address": lines,
                "size": size,
                "year": rng.integers(1900, 2025, n),
                "garden": np.array(["none", "shared", "own"])[rng.choice(3, n)],
            }
        )
        if labels:
            own = np.arange(len(TOWNS))[:, None]
            return X, np.where(near, of_street, own)[town, street]
        level = rng.normal(0, 0.4, len(TOWNS))[town] + rng.normal(0, 0.2, 12)[street]
        return X, np.exp(8 + level + np.log(size) + rng.normal(0, 0.15, n)).round(-2)

    return make


def log_lines(n):
    """Lines of a log with numbers and names; labels: the team that is called."""

    def make(seed):
        rng = np.random.default_rng(seed)
        teams = sorted({team for team, _ in LINES})
        kind = rng.choice(
            len(LINES), n, p=_falling(len(LINES), 0.5)[rng.permutation(15)]
        )
        lines = [_line(rng, LINES[k][1]) for k in kind]
        team = np.array([teams.index(LINES[k][0]) for k in kind])
        # One in twelve calls goes to whoever is awake.
        elsewhere = rng.random(n) < 1 / 12
        team = np.where(elsewhere, rng.choice(len(teams), n), team)
        X = pd.DataFrame(
            {
                "message": lines,
                "level": np.array(["info", "warning", "error"])[
                    np.clip(rng.normal(kind % 3, 0.8, n).round(), 0, 2).astype(int)
                ],
                "load": rng.beta(2, 5, n).round(2),
                "hour": rng.integers(0, 24, n),
            }
        )
        return X, team

    return make


def _one(rng, words):
    return words[rng.integers(len(words))]


def _falling(k, power):
    weights = np.arange(1, k + 1) ** -float(power)
    return weights / weights.sum()


def _misspelt(rng, text, share):
    """Drop, double, exchange or replace a share of the letters."""
    out = list(text)
    for i in np.flatnonzero(rng.random(len(text)) < share):
        what = rng.integers(4)
        if what == 0:
            out[i] = ""
        elif what == 1:
            out[i] *= 2
        elif what == 2 and i + 1 < len(out):
            out[i], out[i + 1] = out[i + 1], out[i]
        else:
            out[i] = "abcdefghijklmnopqrstuvwxyz"[rng.integers(26)]
    return "".join(out)


def _spelt(rng, text):
    for word, spellings in SPELLINGS.items():
        if word in text:
            text = text.replace(word, _one(rng, spellings))
    return text


def _invented_words(rng, k):
    """Words of one to four syllables, the frequent ones short."""
    syllables = [
        a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "en")
    ]
    words = []
    while len(words) < k:
        most = 2 if len(words) < k // 8 else 4
        word = "".join(rng.choice(syllables, rng.integers(1, most + 1)))
        if word not in words:
            words.append(word)
    return np.array(words)


def _line(rng, pattern):
    for mark in ("{host}", "{hex}", "{n}", "{d}"):
        while mark in pattern:
            value = {
                "{host}": "10.0.{}.{}".format(*rng.integers(0, 255, 2)),
                "{hex}": f"{rng.integers(2**32):08x}",
                "{n}": str(rng.integers(10, 9999)),
                "{d}": str(rng.integers(0, 9)),
            }[mark]
            pattern = pattern.replace(mark, value, 1)
    return pattern
