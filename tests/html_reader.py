"""A reader of the pages of reports."""

from html.parser import HTMLParser

VOID = {"br", "img", "input", "link", "meta"}
"""Elements without content, which have no end tag."""
ODD = "a&b <i>'\".png"
"""A name that has to be escaped."""


class Reader(HTMLParser):
    """Elements of a page, all of which must be closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text, self.headings = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    @property
    def words(self):
        """The text, with a space for each run of white space, as a browser shows it."""
        return " ".join("".join(self.text).split())

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
