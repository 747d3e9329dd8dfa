"""The page as text: one file, nothing from elsewhere, every name escaped, a policy that fits its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from nearkin.report import Summary, to_html
from nearkin.report.markup import tag
from nearkin.report.page_facts import packed


class Reader(HTMLParser):
    """Collects elements and the text of the script elements."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = f"{tag} {dict(attrs).get('type', '')}".strip() if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def facts_of(reader: Reader) -> dict:
    return json.loads(reader.raw["script application/json"])


def test_the_policy_names_exactly_the_own_script_and_style(page: Path) -> None:
    reader = Reader(page.read_text())
    policy = next(
        meta["content"] for meta in reader.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    for kind, source in (("script-src", reader.raw["script module"]), ("style-src", reader.raw["style"])):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|unsafe|\*", policy)


def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    reader = Reader(page.read_text())
    loading = {"src", "href", "srcset", "action", "data", "poster"}
    assert [
        value
        for _, attributes in reader.elements
        for name, value in attributes.items()
        if name in loading and not str(value).startswith("#")
    ] == []
    assert not re.search(
        r"@import|url\(|fetch\(|XMLHttp|https?://(?!www\.w3\.org/2000/svg)",
        reader.raw["style"] + reader.raw["script module"],
    )


def test_attributes_are_escaped_as_well() -> None:
    made = tag("p", "x", title='"><script>', class_="a b", hidden=True, lang=None)
    assert made == '<p title="&quot;&gt;&lt;script&gt;" class="a b" hidden>x</p>'


def test_no_angle_bracket_is_left_in_the_facts(worst_page: Path) -> None:
    text = worst_page.read_text()
    start = text.index('id="facts">') + len('id="facts">')
    assert not set("<>&") & set(text[start : text.index("</script>", start)])


def test_worst_names_stay_names(worst_page: Path) -> None:
    text = worst_page.read_text()
    reader = Reader(text)
    assert len(reader.named("script")) == 2
    assert reader.named("img") == []
    assert reader.named("b") == []
    assert not any("onerror" in attributes for _, attributes in reader.elements)
    assert "{{" not in re.sub(r"\{\{facts\}\}", "", text)
    classes = facts_of(reader)["protocols"][0]["classes"]
    assert classes[:7] == [
        "<script>document.title='run'</script>",
        "../x",
        "=1+1",
        "007",
        "NaN",
        "</script><img src=x onerror=\"document.title='run'\">",
        "{{facts}}",
    ]
    words = [word.strip() for word in reader.words]
    for name in (*classes, "=<b>cmd</b>", "<i>x</i>", "@value"):
        assert name in words


def test_the_page_is_the_summary_written_down(summary: Summary, page: Path) -> None:
    text = to_html(summary)
    assert text == page.read_text()
    words = " ".join(Reader(text).words)
    for protocol in summary.protocols:
        for row in protocol.rows:
            assert row.method.name in words
            assert f"{row.scores['map@r'].estimate:.3f}" in words
    for needed in (
        "What this shows",
        "What it does not show",
        summary.study.data.hash,
        summary.study.command,
        "torch 2.13.0",
        "defaults, not tuned",
    ):
        assert needed in words


def test_every_result_row_has_the_cells_of_its_head(page: Path) -> None:
    for table in re.findall(r"<table.*?</table>", page.read_text(), re.S):
        head = re.search(r"<thead>?.*?</thead>", table, re.S)
        assert head
        columns = len(re.findall(r"<th\b", head.group()))
        for row in re.findall(r"<tr.*?</tr>", table[head.end() :], re.S):
            assert len(re.findall(r"<t[hd]\b", row)) == columns


def test_the_table_of_runs_says_what_a_step_spent_its_time_on(page: Path) -> None:
    words = Reader(page.read_text()).words
    assert "network 95.0 %, loss 2.9 %, input 2.1 %" in words


def test_packed_arrays_unpack() -> None:
    import gzip

    import numpy as np

    numbers = np.array([[0, 7], [-1, 65534]])
    assert np.frombuffer(gzip.decompress(base64.b64decode(packed(numbers))), dtype="<u2").tolist() == [
        0,
        7,
        65535,
        65534,
    ]


def test_the_page_is_small(page: Path) -> None:
    assert page.stat().st_size < 1_000_000
