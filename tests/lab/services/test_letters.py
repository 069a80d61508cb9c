import pytest

from lab.services.letters import in_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Lynx 60 fährt", "lynx 60 fährt"),
        ("保证期间", "保证 证期 期间"),
        ("Lynx 車体の保証", "lynx 車体 体の の保 保証"),
        ("电", "电"),
        ("充電、五分", "充電 、 五分"),
        ("ＬＳ３充電", "ls3 充電"),
        ("창고", "창고"),
        ("", ""),
    ],
)
def test_only_chinese_and_japanese_become_pairs(text: str, words: str) -> None:
    assert in_words(text).split() == words.split()
