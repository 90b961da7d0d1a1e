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
        "Tier | From\nGold |  100\n",
    ),
    "wide table": (
        (
            "<table><tr><th>Reward</th><th>What it is</th></tr>"
            f"<tr><td>Tea</td><td>{'leaf ' * 20}</td></tr><tr><td>Cake</td><td>sweet</td></tr></table>"
        ),
        f"Reward: Tea\nWhat it is: {' '.join(['leaf'] * 20)}\n\nReward: Cake\nWhat it is: sweet\n",
    ),
    "aligned table": (
        "<table><tr><td>Silver tier<td>5<tr><td>東京<td>1,200</table>",
        "Silver tier |     5\n東京        | 1,200\n",
    ),
    "layout table without a role": (
        (
            "<table><tr><td><h1>Hi</h1></td><td><p>left</p></td></tr><tr><td>"
            "<table><tr><td><a href='https://example.com/'>Go</a></td></tr></table></td></tr></table>"
        ),
        "Hi\n\nleft\n\nGo (https://example.com/)\n",
    ),
    "numbers from five, nested": (
        "<ol start=5><li>five<ol><li>one<li>two</ol><li>six<br>goes on</ol>",
        "5. five\n   1. one\n   2. two\n6. six\n   goes on\n",
    ),
    "quotation": ("<p>She said:</p><blockquote><p>One</p><p>Two</p></blockquote>", "She said:\n\n> One\n>\n> Two\n"),
    "link shown without its scheme": ('<a href="https://www.example.com/">example.com</a>', "example.com\n"),
    "mail link with a subject": ('<a href="mailto:a@example.com?subject=x">write</a>', "write (a@example.com)\n"),
    "picture that leads where a text led": (
        '<a href="https://example.com/x">Go</a> <a href="https://example.com/x"><img src="y"></a>',
        "Go (https://example.com/x)\n",
    ),
    "preheader hidden in other ways": (
        (
            '<div style="max-height:0;overflow:hidden">a</div><span style="opacity: 0">b</span>'
            '<p style="max-height:0.5em;opacity:0.9">shown</p>'
        ),
        "shown\n",
    ),
    "wide blanks": ("<p>a &nbsp;&nbsp;\u202f  b</p>\n\n\n<p>  c</p>", "a b\n\nc\n"),
    "long lines": (
        f"<p>{'word ' * 20}</p><ul><li>{'item ' * 20}</li></ul>",
        (
            f"{' '.join(['word'] * 15)}\n{' '.join(['word'] * 5)}\n\n"
            f"- {' '.join(['item'] * 15)}\n  {' '.join(['item'] * 5)}\n"
        ),
    ),
    "a long address is not broken": (
        f'<p>See <a href="https://example.com/{"a-b/" * 30}">this</a> now</p>',
        f"See this\n(https://example.com/{'a-b/' * 30})\nnow\n",
    ),
    "a long line of code": (f"<pre>{'x = 1; ' * 20}\n\n  y</pre>", f"{('x = 1; ' * 20).rstrip()}\n\n  y\n"),
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


def test_very_deep_markup_takes_no_time_and_loses_no_text() -> None:
    deep = "<div>" * 50_000 + "deep" + "</p></b>" * 50_000
    assert text_of(deep) == "deep\n"
    assert text_of("<ul><li>" * 5_000 + "deep").strip().endswith("deep")
