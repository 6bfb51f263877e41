"""HTML from elements."""

import numpy as np

from nmflowgan_cli.report.markup import element, joined, picture


def test_markup_escapes_all_but_markup():
    assert element("p", "<", element("b", "&"), title='"x"') == '<p title="&quot;x&quot;">&lt;<b>&amp;</b></p>'
    assert element("input", checked=True, disabled=False, name=None) == "<input checked>"
    assert joined("<", joined("<")) == "&lt;&lt;"
    assert 'alt="&lt;" width="3" height="2"' in picture(np.zeros((2, 3, 3), np.uint8), "<")
