"""Review the table of the tutorial in Chromium; keep the verdicts and the pictures.

Writes ``verdicts.csv`` and ``review_*.png`` beside this file. The reviewer knows the
right labels and the row of the wrong cell.
"""

import os
import shutil
import tempfile
from pathlib import Path

import broken_wines
from selenium import webdriver
from selenium.webdriver.common.by import By

from skinfluence.__main__ import main

HERE = Path(__file__).resolve().parent
SIZE = {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False}


def browser(folder):
    """Return a headless Chromium that downloads into a folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("headless=new", "no-sandbox", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder)}
    )
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def picture(driver, name):
    """Write a picture of the review, not of the whole page."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZE)
    review = driver.find_element(By.ID, "review")
    review.screenshot(str(HERE / f"review_{name}.png"))


def decide(driver, right):
    """Press a key for every suspect, as the reviewer knows."""
    for button in driver.find_elements(By.CSS_SELECTOR, "#list button"):
        button.click()
        line = int(button.text.split()[1])
        row = line - 3  # below a title and the header
        given = driver.find_element(By.CSS_SELECTOR, "#rows td:nth-child(3)").text
        if row == broken_wines.TYPO:
            note = driver.find_element(By.ID, "note")
            note.send_keys("flavanoids: 2,63 in the laboratory's book")
            verdict = "drop"
        elif given == right[row]:
            verdict = "keep"
        else:
            value = driver.find_element(By.ID, "value")
            value.clear()
            value.send_keys(right[row])
            verdict = "relabel"
        driver.find_element(By.CSS_SELECTOR, f"[data-verdict={verdict}]").click()


def make(folder):
    """Run the commands of the tutorial up to the review, and review."""
    broken_wines.main()
    arguments = ["clean", "wines.csv", "--target", "grape", "--ignore", "tank"]
    assert main([*arguments, "--report", "report.html"]) == 0
    _, _, right = broken_wines.wines()
    driver = browser(folder)
    try:
        driver.get((folder / "report.html").as_uri())
        picture(driver, "label")
        decide(driver, right)
        search = driver.find_element(By.ID, "search")
        search.send_keys(f"line {broken_wines.TYPO + 3}")
        picture(driver, "cell")
        search.clear()
        driver.find_element(By.ID, "download").click()
        for _ in range(100):
            if (folder / "verdicts.csv").exists():
                break
            driver.execute_async_script("setTimeout(arguments[0], 50)")
    finally:
        driver.quit()
    shutil.copy(folder / "verdicts.csv", HERE / "verdicts.csv")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make(Path(folder))
