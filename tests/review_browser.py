"""A browser for tests of the review page, and the actions of a reviewer in it."""

import csv

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium that downloads into a folder of its own."""
    folder = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("headless=new", "no-sandbox", "window-size=1280,900"):
        options.add_argument(f"--{argument}")
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder)}
    )
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    driver.downloads = folder
    yield driver
    driver.quit()


def open_anew(browser, page):
    """Open a page in a browser that knows no decisions."""
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get(page.as_uri())
    return browser


def find(driver, name):
    return driver.find_element(By.ID, name)


def press(driver, *keys):
    for key in keys:
        driver.find_element(By.TAG_NAME, "body").send_keys(key)


def progress(driver):
    return find(driver, "progress").text


def title(driver):
    return find(driver, "title").text


def download_file(driver):
    """Press the button; return the path of the file."""
    for old in driver.downloads.iterdir():
        old.unlink()
    find(driver, "download").click()
    path = driver.downloads / "verdicts.csv"
    for _ in range(200):
        if path.exists():
            break
        driver.execute_async_script("setTimeout(arguments[0], 50)")
    return path


def download(driver):
    """Press the button; return the lines of the file."""
    with open(download_file(driver), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
