"""HTML that is safe by construction."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.report.markup import Html, element, escaped, joined


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp"))))
def test_any_text_comes_back_as_that_text_and_never_as_an_element(text: str) -> None:
    reader = Reader()
    reader.feed(element("p", text, title=text))
    reader.close()
    assert reader.tags == [("p", {"title": text})]
    assert reader.text == text


def test_html_is_not_escaped_again_and_missing_things_are_left_out() -> None:
    assert element("p", element("b", "a<b"), None, 3) == "<p><b>a&lt;b</b>3</p>"
    assert element("input", type="radio", checked=False, disabled=True) == '<input type="radio" disabled>'
    assert element("label", for_="x", aria_label=None) == '<label for="x"></label>'
    assert joined("<", Html("<br>")) == "&lt;<br>"


def test_control_characters_lone_surrogates_and_marks_that_reverse_the_writing_are_made_visible() -> None:
    shown = escaped("a\x00b\x1b[31m \u202egnp.exe \ud800")
    assert shown == "a\\x00b\\x1b[31m \\u202egnp.exe \\ud800"
    shown.encode("utf-8")
