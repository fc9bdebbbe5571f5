"""Decisions on the review page: none is lost, and all reach the table as they were."""

import csv

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main

pytest.importorskip("selenium")
from review_browser import (
    browser,  # noqa: F401
    download,
    download_file,
    find,
    open_anew,
    press,
    progress,
    title,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

pytestmark = pytest.mark.browser

N = 120
NO = "nein,\nnoch nicht"  # a field of a page loses the line break
LONG = "Größe und Güte " * 20


def write(path, **target):
    """Write a table with semicolons, decimal commas and cp1252, as Excel does."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    frame = pd.DataFrame({"x": x.round(3), "zwilling": (2 * x).round(2)})
    frame["bemerkung"] = [f"{LONG} {i}" for i in range(N)]
    for name, make in target.items():
        frame[name] = make(x, rng)
    text = frame.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    path.write_bytes(text.encode("cp1252"))
    return frame


def labels(x, rng):
    y = np.where(x > 0, "ja", NO).astype(object)
    wrong = rng.choice(N, 10, replace=False)
    y[wrong] = np.where(x[wrong] > 0, NO, "ja")
    return y


def prices(x, rng):
    y = (100 * x + rng.normal(size=N)).round(2)
    y[:6] += 500
    return y


def report(path, target, page, drop):
    arguments = ["clean", str(path), "--target", target, "--drop", str(drop)]
    page = path.with_name(page)
    assert main([*arguments, "--report", str(page), "--force"]) == 0
    return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop")
    write(folder / "t.csv", urteil=labels)
    report(folder / "t.csv", "urteil", "many.html", 0.1)
    report(folder / "t.csv", "urteil", "few.html", 0.03)
    return folder


@pytest.fixture
def many(browser, folder):  # noqa: F811
    return open_anew(browser, folder / "many.html")


def alert(driver):
    return find(driver, "problem").text


def test_undo_and_notes_survive_a_reload(many):
    find(many, "note").send_keys("ask", Keys.ENTER)
    press(many, "j")
    many.refresh()
    assert find(many, "note").get_attribute("value") == "ask"
    press(many, "1", "2")
    many.refresh()
    assert progress(many).startswith("2 of 12 decided")
    press(many, "u")
    assert progress(many).startswith("1 of 12 decided")
    assert progress(many).endswith(f"taken back, {title(many).split('. ')[1]}.")
    press(many, "u", "u")
    assert progress(many).endswith("Last: nothing is left to take back.")
    assert title(many).startswith("1. ")
    assert find(many, "note").get_attribute("value") == "ask"  # it was not decided on


def test_a_relabel_needs_another_value(many):
    value = find(many, "value")
    value.clear()
    value.send_keys(Keys.ENTER)
    press(many, "3")
    assert alert(many).startswith("Relabel to which value?")
    assert many.switch_to.active_element == value
    given = many.find_elements(By.CSS_SELECTOR, "#rows td:nth-child(3)")[0].text
    value.send_keys(given, Keys.ENTER)
    if given == "ja":
        press(many, "3")
        assert alert(many).startswith("The row has this value already")
    assert progress(many).startswith("0 of 12 decided")
    value.clear()
    value.send_keys("vielleicht", Keys.ENTER)
    press(many, "3")
    assert "relabel to vielleicht, which no row has" in progress(many)
    assert not find(many, "problem").is_displayed()


def test_a_held_key_decides_once(many):
    many.execute_script(
        """for (const repeat of [false, true, true]) document.body.dispatchEvent(
        new KeyboardEvent("keydown", {key: "1", bubbles: true, repeat: repeat}));
        document.body.dispatchEvent(
        new KeyboardEvent("keydown", {key: "2", bubbles: true, ctrlKey: true}));"""
    )
    assert progress(many).startswith("1 of 12 decided")
    many.execute_script(
        """document.body.dispatchEvent(
        new KeyboardEvent("keydown", {key: "j", bubbles: true, repeat: true}));"""
    )
    assert title(many).startswith("3. ")


def test_undecided_rows_move_up_where_the_reviewer_is(many):
    Select(find(many, "by-verdict")).select_by_value("undecided")
    press(many, "j", "j", "1")
    assert progress(many).startswith("1 of 12 decided; 11 shown.")
    assert title(many).startswith("4. ")
    press(many, "j")
    assert title(many).startswith("5. ")
    press(many, "u")  # back where it was
    assert title(many).startswith("3. ")
    Select(find(many, "by-verdict")).select_by_value("drop")
    assert "0 shown" in progress(many)
    assert find(many, "none").is_displayed()
    assert not find(many, "card").is_displayed()
    press(many, "1", "j", "k")  # nothing to decide on
    find(many, "all").click()
    assert progress(many).startswith("0 of 12 decided; 12 shown.")
    assert not find(many, "none").is_displayed()


def test_every_other_filter_and_order(many, folder):
    ranking = pd.read_csv(
        folder / "t.suspects.csv", sep=";", decimal=",", encoding="cp1252"
    )
    suspects = ranking[:12]
    n = int((suspects["suggested"] == "ja").sum())
    Select(find(many, "by-suggested")).select_by_value("ja")
    assert f"; {n} shown" in progress(many)
    find(many, "all").click()
    Select(find(many, "order")).select_by_value("given")
    given = []
    for button in many.find_elements(By.CSS_SELECTOR, "#list button"):
        button.click()
        given.append(find(many, "reason").text.split()[1][:4])
    assert given == sorted(given)
    assert set(given) == {"ja,", "nein"}
    find(many, "search").send_keys("no such text", Keys.ESCAPE)
    assert "; 0 shown" in progress(many)
    assert many.switch_to.active_element.tag_name == "body"


def test_both_pages_of_a_table_hand_out_all_decisions(many, browser, folder):  # noqa: F811
    press(many, *"2" * 12)
    rows = [row["row"] for row in download(many)]
    assert len(set(rows)) == 12
    browser.get((folder / "few.html").as_uri())
    assert (
        progress(browser) == "3 of 3 decided; 3 shown. 9 on other pages of this table."
    )
    assert sorted(row["row"] for row in download(browser)) == sorted(rows)


def test_two_tabs_do_not_write_over_each_other(many):
    first, url = many.current_window_handle, many.current_url
    many.switch_to.new_window("tab")
    try:
        many.get(url)
        press(many, "j", "2")
    finally:
        many.close()
        many.switch_to.window(first)
    for _ in range(100):
        if progress(many).startswith("1 of 12"):
            break
        many.execute_async_script("setTimeout(arguments[0], 20)")
    press(many, "1")
    assert progress(many).startswith("2 of 12 decided")
    many.refresh()
    assert progress(many).startswith("2 of 12 decided")


def test_a_browser_without_storage_warns(many):
    many.execute_script(
        "Storage.prototype.setItem = () => { throw new Error('full'); };"
    )
    press(many, "1", "j")
    assert "This browser keeps nothing: download often." in progress(many)


def test_long_cells_can_be_read(many):
    text = many.find_elements(By.CSS_SELECTOR, "#rows td.long")[0].text
    assert text.startswith(LONG.strip())
    assert len(text) > 300

    def height():
        return many.execute_script(
            "return document.querySelector('#rows tr:nth-child(2)').offsetHeight"
        )

    before = height()
    press(many, "w")
    assert height() > 2 * before
    assert find(many, "whole").get_attribute("aria-pressed") == "true"
    find(many, "whole").click()
    assert height() == before


def test_tab_reaches_the_verdicts_and_focus_stays_in_the_list(many):
    find(many, "all").send_keys(Keys.TAB)
    assert many.switch_to.active_element.get_attribute("aria-current") == "true"
    many.switch_to.active_element.send_keys("j")
    assert title(many).startswith("2. ")
    assert many.switch_to.active_element.get_attribute("aria-current") == "true"
    many.switch_to.active_element.send_keys(Keys.TAB)
    names = []
    for _ in range(11):
        now = many.switch_to.active_element
        names.append(now.get_attribute("data-verdict") or now.get_attribute("id"))
        now.send_keys(Keys.TAB)
    assert names == ["keep", "drop", "relabel", "unsure", "value", "note"] + [
        *("previous", "next", "undo", "whole", "beside")
    ]


# Texts with less contrast than 4.5, by the formula of the WCAG.
LOW_CONTRAST = """
const dark = matchMedia("(prefers-color-scheme: dark)").matches, low = [];
const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255)
  + .0722 * linear(b / 255);
const numbers = (css) => css.match(/[\\d.]+/g).map(Number);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const colour = numbers(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3]) return colour;
  }
  return dark ? [24, 24, 24] : [255, 255, 255];
};
for (const e of document.querySelectorAll("body *")) {
  if (e.closest("svg, script, [hidden], option, datalist")) continue;
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own && !/INPUT|SELECT/.test(e.tagName)) continue;
  const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < 4.5) low.push([e.tagName, e.id, e.className, ratio.toFixed(2)]);
}
return [dark, low];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(many, scheme):
    press(many, "1", "2", "3", "4", "k")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    many.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    dark, low = many.execute_script(LOW_CONTRAST)
    assert dark == (scheme == "dark")
    assert low == []


def test_a_screen_reader_announces_the_suspect_and_the_decision(many):
    live = many.execute_script(
        """return ["title", "reason", "progress"].map((id) =>
        document.getElementById(id).closest("[aria-live=polite]") !== null)"""
    )
    assert live == [True] * 3
    assert find(many, "problem").get_attribute("role") == "alert"
    press(many, "1")
    assert progress(many).endswith("keep.")
    heads = many.find_elements(By.CSS_SELECTOR, "#beside th")
    assert {head.get_attribute("scope") for head in heads} == {"row", "col"}


def test_from_the_keyboard_to_the_table(many, folder, tmp_path):
    """Keys, download, a spreadsheet, apply: only what was decided differs."""
    press(many, "3", "2", "1", "4")
    verdicts = download_file(many).read_text(encoding="utf-8")
    with open(download_file(many), newline="", encoding="utf-8") as file:
        drawn = list(csv.DictReader(file))
    assert [row["verdict"] for row in drawn] == ["relabel", "drop", "keep", "unsure"]
    assert drawn[0]["value"] in ("ja", NO)
    path, file = tmp_path / "t.csv", tmp_path / "verdicts.csv"
    path.write_bytes((folder / "t.csv").read_bytes())
    file.write_text(verdicts, encoding="utf-8")
    arguments = ["apply", str(path), str(file), "--target", "urteil"]
    assert main(arguments) == 0
    kept = {row["row"]: row for row in drawn}
    before = path.read_bytes()
    for i, line in enumerate(_records(path)):
        verdict = kept.get(str(i), {"verdict": "keep"})["verdict"]
        if verdict == "drop":
            before = before.replace(line, b"")
        elif verdict == "relabel":
            value = kept[str(i)]["value"]
            cell = f'"{value}"' if "\n" in value else value
            start = line.rpartition(b" %d;" % i)[0] + b" %d;" % i
            before = before.replace(line, start + cell.encode("cp1252") + b"\r\n")
    assert (tmp_path / "t.reviewed.csv").read_bytes() == before
    reviewed = pd.read_csv(file)
    reviewed.to_csv(file, sep=";", index=False, encoding="utf-8-sig")
    assert main([*arguments, "--force"]) == 0
    assert (tmp_path / "t.reviewed.csv").read_bytes() == before


def _records(path):
    text = path.read_bytes()
    starts = [text.index(b" %d;" % i) for i in range(N)]
    ends = [text.index(b"\r\n", start) + 2 for start in starts]
    return [
        text[begin:end]
        for begin, end in zip([text.index(b"\r\n") + 2, *ends], ends, strict=False)
    ]


def test_amounts_are_suggested_as_the_table_writes_them(browser, tmp_path):  # noqa: F811
    path = tmp_path / "p.csv"
    write(path, preis=prices)
    open_anew(browser, report(path, "preis", "p.html", 0.05))
    value = find(browser, "value")
    assert "," in value.get_attribute("value")
    value.clear()
    value.send_keys("viel", Keys.ENTER)
    press(browser, "3")
    assert alert(browser) == "The value must be a number."
    value.clear()
    value.send_keys("12,75", Keys.ENTER)
    press(browser, "3", "3")
    first, second = download(browser)
    assert first["value"] == "12,75"
    file = browser.downloads / "verdicts.csv"
    assert main(["apply", str(path), str(file), "--target", "preis"]) == 0
    read = {"sep": ";", "decimal": ",", "encoding": "cp1252"}
    after = pd.read_csv(tmp_path / "p.reviewed.csv", **read)["preis"]
    assert after[int(first["row"])] == 12.75
    suggested = float(second["value"].replace(",", "."))
    assert after[int(second["row"])] == suggested
    assert abs(suggested) < 400
