//! JSON texts as data: where in a text something is, and whether two texts say the same. Numbers stay texts, so that none is
//! rounded.

use std::collections::HashSet;
use std::fmt::Write as _;

/// The deepest nesting that is looked at: as deep as `serde_json` reads.
const DEEPEST: usize = 128;

/// A JSON value, in the words of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json<'a> {
    /// `null`, a boolean, a number or a string, as it is written.
    Scalar(&'a str),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, with its keys as they are written.
    Object(Vec<(&'a str, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a text that is valid JSON. `None` if it is not, or is nested too deep.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parser = Parser::new(text, usize::MAX);
        let json = parser.value(0)?;
        parser.skip_blanks();
        (parser.at == text.len()).then_some(json)
    }

    /// The value as a text in which the order of an object's keys does not count; nor does that of the elements of an array
    /// that `is_unordered`, which is asked with the array's path.
    pub(crate) fn canonical(&self, is_unordered: &dyn Fn(&str) -> bool) -> String {
        let sort = |path: &str, elements: &mut [String]| {
            if is_unordered(path) {
                elements.sort_unstable();
            }
        };
        self.rewritten(&mut String::new(), &sort, &|fields| fields.sort_unstable())
    }

    /// The value as a text in which the elements of the arrays with these paths stand in the opposite order.
    pub(crate) fn reversed(&self, arrays: &HashSet<String>) -> String {
        let reverse = |path: &str, elements: &mut [String]| {
            if arrays.contains(path) {
                elements.reverse();
            }
        };
        self.rewritten(&mut String::new(), &reverse, &|_| {})
    }

    /// The value as a text. The elements of each array and the fields of each object are put into an order first; of an array with
    /// its path.
    fn rewritten(
        &self,
        path: &mut String,
        order_elements: &dyn Fn(&str, &mut [String]),
        order_fields: &dyn Fn(&mut [String]),
    ) -> String {
        let length = path.len();
        match self {
            Self::Scalar(text) => (*text).to_owned(),
            Self::Array(elements) => {
                path.push_str("[]");
                let each = elements.iter();
                let mut texts: Vec<_> = each
                    .map(|element| element.rewritten(path, order_elements, order_fields))
                    .collect();
                path.truncate(length);
                order_elements(path, &mut texts);
                format!("[{}]", texts.join(","))
            }
            Self::Object(fields) => {
                let each = fields.iter();
                let mut texts: Vec<_> = each
                    .map(|(key, value)| {
                        path.push_str(key);
                        let text = value.rewritten(path, order_elements, order_fields);
                        path.truncate(length);
                        format!("{key}:{text}")
                    })
                    .collect();
                order_fields(&mut texts);
                format!("{{{}}}", texts.join(","))
            }
        }
    }

    /// Notes the paths of the arrays whose elements stand in another order in `other`, which has the same data: they are sets.
    pub(crate) fn note_sets(&self, other: &Self, sets: &mut HashSet<String>) {
        self.note_sets_at(other, &mut String::new(), sets);
    }

    fn note_sets_at(&self, other: &Self, path: &mut String, sets: &mut HashSet<String>) {
        let length = path.len();
        match (self, other) {
            (Self::Array(ours), Self::Array(theirs)) => {
                let texts = |elements: &[Self]| -> Vec<_> {
                    let each = elements.iter();
                    each.map(|one| one.canonical(&|_| true)).collect()
                };
                if texts(ours) != texts(theirs) {
                    // The elements don't belong together by their places.
                    sets.insert(path.clone());
                    return;
                }
                path.push_str("[]");
                for (ours, theirs) in ours.iter().zip(theirs) {
                    ours.note_sets_at(theirs, path, sets);
                }
                path.truncate(length);
            }
            (Self::Object(ours), Self::Object(theirs)) => {
                for (key, ours) in ours {
                    if let Some((_, theirs)) = theirs.iter().find(|(other, _)| other == key) {
                        path.push_str(key);
                        ours.note_sets_at(theirs, path, sets);
                        path.truncate(length);
                    }
                }
            }
            _ => {}
        }
    }

    /// The path of the first value that `other` does not have, like `lines[2].price`; it is empty for the whole value. The order
    /// of elements and keys does not count. `None` if both say the same.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        if self.canonical(&|_| true) == other.canonical(&|_| true) {
            return None;
        }
        let mut path = String::new();
        self.differs_at(other, &mut path);
        Some(path)
    }

    fn differs_at(&self, other: &Self, path: &mut String) {
        let is_same =
            |one: &Self, other: &Self| one.canonical(&|_| true) == other.canonical(&|_| true);
        match (self, other) {
            (Self::Array(ours), Self::Array(theirs)) if ours.len() == theirs.len() => {
                let mut pairs = ours.iter().zip(theirs).enumerate();
                if let Some((index, (ours, theirs))) = pairs.find(|(_, (a, b))| !is_same(a, b)) {
                    let _ = write!(path, "[{index}]");
                    ours.differs_at(theirs, path);
                }
            }
            (Self::Object(ours), Self::Object(theirs)) => {
                for (key, ours) in ours {
                    let theirs = theirs.iter().find(|(other, _)| other == key);
                    match theirs {
                        Some((_, theirs)) if is_same(ours, theirs) => {}
                        Some((_, theirs)) => {
                            push_key(path, key);
                            return ours.differs_at(theirs, path);
                        }
                        None => return push_key(path, key),
                    }
                }
            }
            _ => {}
        }
    }
}

/// The path of the value that ends nearest behind byte `offset` of the text, like `lines[2].price`. `None` for the whole text.
pub(crate) fn path_at(text: &str, offset: usize) -> Option<String> {
    let mut parser = Parser::new(text, offset);
    parser.value(0);
    let path = parser.found?;
    (!path.is_empty()).then_some(path)
}

fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key.trim_matches('"'));
}

/// Reads a text from the left, and notes the path of the first value that ends at or behind an offset.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    offset: usize,
    path: String,
    found: Option<String>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, offset: usize) -> Self {
        Self {
            text,
            at: 0,
            offset,
            path: String::new(),
            found: None,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Steps over this byte, if it is the next one.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_blanks();
        let json = match self.peek()? {
            b'[' => self.array(depth),
            b'{' => self.object(depth),
            b'"' => self.string().map(Json::Scalar),
            _ => self.word(),
        }?;
        if self.found.is_none() && self.at >= self.offset {
            self.found = Some(self.path.clone());
        }
        Some(json)
    }

    fn array(&mut self, depth: usize) -> Option<Json<'a>> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.takes(b']') {
            return Some(Json::Array(elements));
        }
        loop {
            let length = self.path.len();
            let _ = write!(self.path, "[{}]", elements.len());
            elements.push(self.value(depth + 1)?);
            self.path.truncate(length);
            if self.takes(b']') {
                return Some(Json::Array(elements));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json<'a>> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.takes(b'}') {
            return Some(Json::Object(fields));
        }
        loop {
            self.skip_blanks();
            let key = self.string()?;
            if !self.takes(b':') {
                return None;
            }
            let length = self.path.len();
            push_key(&mut self.path, key);
            fields.push((key, self.value(depth + 1)?));
            self.path.truncate(length);
            if self.takes(b'}') {
                return Some(Json::Object(fields));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let from = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(from..self.at)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<Json<'a>> {
        let from = self.at;
        let is_end = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
        while self.peek().is_some_and(|byte| !is_end(byte)) {
            self.at += 1;
        }
        let word = self.text.get(from..self.at)?;
        (!word.is_empty()).then_some(Json::Scalar(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str =
        r#"{"id": 7, "lines": [{"price": 1.5}, {"price": null, "a\"b": ["x", {}]}], "all": []}"#;

    #[test]
    fn a_text_is_read_in_its_own_words() {
        let json = Json::parse(ORDER).expect("it is JSON");
        let canonical = json.canonical(&|_| false);
        assert_eq!(
            canonical,
            r#"{"all":[],"id":7,"lines":[{"price":1.5},{"a\"b":["x",{}],"price":null}]}"#
        );
        for text in ["", "[1", "{\"a\"}", "[1 2]", "[1]]", "\"", "{1:2}", "[,]"] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
        assert_eq!(Json::parse(&"[".repeat(100_000)), None);
    }

    #[test]
    fn a_place_in_a_text_has_a_path() {
        let at = |what| path_at(ORDER, ORDER.find(what).expect("it is there") + 1);
        assert_eq!(at("null").as_deref(), Some("lines[1].price"));
        assert_eq!(at("1.5").as_deref(), Some("lines[0].price"));
        assert_eq!(at("7").as_deref(), Some("id"));
        assert_eq!(path_at(ORDER, ORDER.len()), None);
        assert_eq!(path_at("nul", 2), None);
    }

    #[test]
    fn what_differs_is_named() {
        let difference = |one, other| {
            let (one, other) = (Json::parse(one), Json::parse(other));
            one.expect("JSON").difference(&other.expect("JSON"))
        };
        assert_eq!(difference("[1,2]", "[2,1]"), None, "it may be a set");
        assert_eq!(difference(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#), None);
        assert_eq!(
            difference(r#"{"a":{"b":[1,2]}}"#, r#"{"a":{"b":[1,3]}}"#).as_deref(),
            Some("a.b[1]")
        );
        assert_eq!(difference(r#"{"a":1}"#, "{}").as_deref(), Some("a"));
        assert_eq!(
            difference("1000000000000000000000001", "1000000000000000000000002").as_deref(),
            Some("")
        );
    }
}
