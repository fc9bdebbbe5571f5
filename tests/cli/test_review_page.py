"""The review page in a browser: every button, reload, download, hostile cells."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main

pytest.importorskip("selenium")
from review_browser import (
    browser,  # noqa: F401
    download,
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

MARKUP = "</script><script>document.title='run'</script><img src=x onerror=alert(1)>"
FORMULA = "=1+1"
TYPO = 4  # the row of a wrong cell


def table(n=200):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    x[TYPO] = 0.4
    label = np.where(x > 0, FORMULA, f"no {MARKUP}").astype(object)
    flipped = rng.choice(n, n // 12, replace=False)
    label[flipped] = np.where(label[flipped] == FORMULA, f"no {MARKUP}", FORMULA)
    note = np.where(np.arange(n) % 5 == 0, MARKUP, "plain")
    twin = (2 * x + rng.normal(scale=0.1, size=n)).round(3)
    x[TYPO], label[TYPO] = -2.0, FORMULA
    frame = pd.DataFrame({f"x{MARKUP}": x.round(3), "twin": twin, "note": note})
    return frame.assign(label=label)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    path, page = folder / "t.csv", folder / "r.html"
    table().to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label", "--report", str(page)]
    assert main([*arguments, "--drop", "0.1"]) == 0
    return page


@pytest.fixture
def opened(browser, page):  # noqa: F811
    return open_anew(browser, page)


def test_hostile_cells_are_text(opened):
    assert opened.title.startswith("Suspect rows of t.csv")
    assert MARKUP in find(opened, "rows").text
    assert len(opened.find_elements(By.TAG_NAME, "img")) == 0
    logs = [entry["message"] for entry in opened.get_log("browser")]
    assert not [message for message in logs if "Error" in message], logs
    assert not find(opened, "static").is_displayed()


def test_keys_decide_and_go_on(opened):
    assert progress(opened) == "0 of 20 decided; 20 shown."
    assert title(opened).startswith("1. line ")
    press(opened, "1", "2", "3", "4")
    assert progress(opened).startswith("4 of 20 decided")
    assert title(opened).startswith("5. ")
    press(opened, "k", "k")
    assert title(opened).startswith("3. ")
    pressed = opened.find_elements(By.CSS_SELECTOR, "[aria-pressed=true]")
    assert [button.text for button in pressed] == ["3 relabel"]
    press(opened, "j")
    assert title(opened).startswith("4. ")
    press(opened, "u")
    assert progress(opened).startswith("3 of 20 decided")


def test_every_button(opened):
    for verdict in ("keep", "drop", "relabel", "unsure"):
        opened.find_element(By.CSS_SELECTOR, f"[data-verdict={verdict}]").click()
    assert progress(opened).startswith("4 of 20")
    find(opened, "previous").click()
    assert title(opened).startswith("4. ")
    find(opened, "next").click()
    assert title(opened).startswith("5. ")
    find(opened, "undo").click()
    assert progress(opened).startswith("3 of 20")
    opened.find_elements(By.CSS_SELECTOR, "#list button")[9].click()
    assert title(opened).startswith("10. ")


def test_decisions_survive_a_reload_and_are_downloaded(opened, page):
    press(opened, "2", "3")
    find(opened, "value").clear()
    find(opened, "value").send_keys("another", Keys.ENTER)
    find(opened, "note").send_keys('a "note", =1', Keys.ENTER)
    press(opened, "3", "1")
    opened.get(page.as_uri())
    assert progress(opened).startswith("4 of 20 decided")
    rows = download(opened)
    assert [row["verdict"] for row in rows] == ["drop", "relabel", "relabel", "keep"]
    ranking = pd.read_csv(page.with_name("t.suspects.csv"))
    assert [int(row["row"]) for row in rows] == ranking["row"][:4].tolist()
    assert rows[2]["value"] == "another"
    assert rows[2]["note"] == 'a "note", =1'
    given = table()["label"].iloc[int(rows[1]["row"])]
    other = f"'{FORMULA}" if given != FORMULA else f"no {MARKUP}"
    assert rows[1]["value"] == other
    assert rows[0]["value"] == ""
    assert rows[1]["given"].removeprefix("'") == given


def test_filters_search_and_order(opened):
    given = Select(find(opened, "by-given"))
    given.select_by_value(FORMULA)
    found = pd.read_csv(page_ranking(opened))
    suspects = found[found["suspect"]]
    n = int((suspects["given"] == f"'{FORMULA}").sum())
    assert progress(opened) == f"0 of 20 decided; {n} shown."
    given.select_by_index(0)
    Select(find(opened, "by-column")).select_by_value("note")
    find(opened, "by-cell").send_keys("plain")
    n = int((table()["note"].iloc[suspects["row"]] == "plain").sum())
    assert progress(opened) == f"0 of 20 decided; {n} shown."
    find(opened, "by-cell").clear()
    find(opened, "by-cell").send_keys(Keys.ENTER)
    press(opened, "/")
    opened.switch_to.active_element.send_keys("line 1", Keys.ENTER)
    n = int((suspects["line"].astype(str).str.startswith("1")).sum())
    assert progress(opened) == f"0 of 20 decided; {n} shown."
    find(opened, "search").clear()
    find(opened, "search").send_keys("x", Keys.BACKSPACE, Keys.ENTER)
    Select(find(opened, "order")).select_by_value("place")
    lines = [
        int(button.text.split()[1])
        for button in opened.find_elements(By.CSS_SELECTOR, "#list button")
    ]
    assert lines == sorted(suspects["line"])
    press(opened, "1")
    Select(find(opened, "by-verdict")).select_by_value("undecided")
    assert progress(opened).startswith("1 of 20 decided; 19 shown. Last: line ")


def test_the_blamed_cell_is_marked_and_reasons_are_filtered(opened):
    reason = Select(find(opened, "by-reason"))
    offered = [option.text for option in reason.options]
    assert {"any", "cell to blame", "target to blame"} <= set(offered)
    reason.select_by_value("cell to blame")
    find(opened, "search").send_keys(f"line {TYPO + 2}", Keys.ENTER)
    assert title(opened).endswith(f"line {TYPO + 2}")
    (blamed,) = opened.find_elements(By.CSS_SELECTOR, "#rows td.blamed")
    assert blamed.text == str(table().iloc[TYPO, 0])
    assert f"): x{MARKUP}" in find(opened, "reason").text
    assert "(probability " in find(opened, "reason").text
    found = pd.read_csv(page_ranking(opened))
    n = int((found["to_blame"] == "cell").sum())
    find(opened, "search").clear()
    find(opened, "search").send_keys("x", Keys.BACKSPACE, Keys.ENTER)
    assert progress(opened) == f"0 of 20 decided; {n} shown."


def page_ranking(driver):
    """The ranking beside the page."""
    return driver.current_url.removeprefix("file://").replace(
        "r.html", "t.suspects.csv"
    )


@pytest.mark.parametrize("width", [400, 1280])
def test_no_element_is_wider_than_the_page(opened, width):
    opened.set_window_size(width, 900)
    wide = opened.execute_script(
        "return document.documentElement.scrollWidth - window.innerWidth"
    )
    assert wide <= 0


def test_a_screen_reader_finds_its_way(opened):
    unnamed = opened.execute_script(
        """return [...document.querySelectorAll("#review input, #review select, "
        + "#review button")].filter((e) => !(e.labels && e.labels.length)
        && !e.textContent.trim()).map((e) => e.id);"""
    )
    assert unnamed == []
    assert find(opened, "progress").get_attribute("aria-live") == "polite"


def test_the_next_page_hands_out_earlier_verdicts_too(opened, page, tmp_path):
    press(opened, "3", "2")
    earlier = download(opened)
    for folder in ("verdicts.csv", "next.html"):
        page.with_name(folder).unlink(missing_ok=True)
    file = page.with_name("verdicts.csv")
    file.write_bytes((opened.downloads / "verdicts.csv").read_bytes())
    path, following = page.with_name("t.csv"), page.with_name("next.html")
    arguments = ["clean", str(path), "--target", "label", "--drop", "0.1", "--force"]
    outputs = ["--output", tmp_path / "o.csv", "--suspects", tmp_path / "s.csv"]
    arguments += [*map(str, outputs), "--report", str(following)]
    assert main([*arguments, "--verdicts", str(file)]) == 0
    opened.get(following.as_uri())
    assert progress(opened) == "0 of 19 decided; 19 shown. 2 were decided before."
    press(opened, "1")
    rows = download(opened)
    assert rows[:2] == earlier
    assert len(rows) == 3
    assert rows[2]["row"] not in {row["row"] for row in earlier}


def test_the_current_suspect_is_seen_in_the_list(opened):
    press(opened, *"j" * 19)
    assert title(opened).startswith("20. ")
    top, bottom, height = opened.execute_script(
        """const list = document.getElementById("list").getBoundingClientRect();
        const one = document.querySelector("[aria-current]").getBoundingClientRect();
        return [one.top - list.top, list.bottom - one.bottom, list.height];"""
    )
    assert height < 500
    assert min(top, bottom) >= 0
