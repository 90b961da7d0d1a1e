import pytest

from tidings.render import text_of

CASES = {
    "paragraphs": ("<p>One</p><p>Two\n  three</p>", "One\n\nTwo three\n"),
    "headings": ("<h1>Big</h1>text<h2>Small</h2>more", "Big\n\ntext\n\nSmall\n\nmore\n"),
    "inline": ("<p>a <b>b</b><i>c</i> , <span>d</span></p>", "a bc , d\n"),
    "break": ("a<br>b<br/>c", "a\nb\nc\n"),
    "link": ('<p>See <a href="https://example.com/x">our page</a>.</p>', "See our page (https://example.com/x).\n"),
    "link shown as it is": ('<a href="https://example.com/">https://example.com/</a>', "https://example.com/\n"),
    "mail link": ('<a href="mailto:a@example.com">a@example.com</a>', "a@example.com\n"),
    "telephone": ('<a href="tel:+441234">call us</a>', "call us (+441234)\n"),
    "link with an image": (
        '<a href="https://example.com/"><img alt="Logo" src="x"></a>',
        "Logo (https://example.com/)\n",
    ),
    "link without text": ('<a href="https://example.com/"><img src="x"></a>', "https://example.com/\n"),
    "anchor": ('<a href="#top">up</a> <a>none</a>', "up none\n"),
    "points": (
        "<p>Buy:</p><ul><li>tea</li><li>cake <b>now</b></li></ul><p>End</p>",
        "Buy:\n\n- tea\n- cake now\n\nEnd\n",
    ),
    "numbers": ("<ol><li>one</li><li>two</li></ol>", "1. one\n2. two\n"),
    "nested": ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c\n"),
    "paragraph in item": ("<ul><li><p>a</p></li><li><p>b</p></li></ul>", "- a\n\n- b\n"),
    "table": (
        "<table><tr><th>Tier</th><th>From</th></tr><tr><td>Gold</td><td>100</td></tr></table>",
        "Tier | From\nGold | 100\n",
    ),
    "layout table": (
        '<table role="presentation"><tr><td>left</td><td><p>right</p></td></tr></table>after',
        "left\n\nright\n\nafter\n",
    ),
    "rule": ("a<hr>b", "a\n\n--------------------\n\nb\n"),
    "hidden": (
        '<div style="DISPLAY : none">pre<p>header</p></div><p hidden>x</p><script>x()</script><style>p{}</style>shown',
        "shown\n",
    ),
    "head": ("<html><head><title>T</title><meta name='a'></head><body>b</body></html>", "b\n"),
    "comment": ("<!--[if mso]><p>office</p><![endif]-->b", "b\n"),
    "entities": ("&lt;b&gt; &amp; &eacute;&nbsp;x &#8364;", "<b> & é x €\n"),
    "fillers": ("a&zwnj;&#847;&#8203;&shy;b", "a\u200cb\n"),
    "pre": ("<pre>a\n  b</pre>", "a\n  b\n"),
    "unclosed": ("<p>a<p>b<div>c", "a\n\nb\nc\n"),
    "stray end": ("a</p></div>b", "ab\n"),
    "empty": ("", "\n"),
    "mjml": (
        (
            "<mjml><mj-head><mj-preview>p</mj-preview></mj-head><mj-body><mj-section><mj-column>"
            '<mj-text>Hello</mj-text><mj-image src="x" alt="A cup" href="https://example.com/c" /><mj-divider />'
            '<mj-button href="https://example.com/">Go</mj-button></mj-column></mj-section></mj-body></mjml>'
        ),
        "Hello\n\nA cup (https://example.com/c)\n\n--------------------\n\nGo (https://example.com/)\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_markup_reads_well_as_plain_text(case: str) -> None:
    markup, expected = CASES[case]
    assert text_of(markup) == expected
