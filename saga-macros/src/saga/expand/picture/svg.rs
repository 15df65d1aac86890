//! The SVG elements of a picture, and the address that carries it.

use std::fmt::Write as _;

/// The width of a character in the font of the picture.
const CHAR: i32 = 8;

/// The most characters of a label. The rest is cut off.
const LONGEST: usize = 60;

/// The text as it is shown: on one line, and not longer than fits.
pub(super) fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let cut: String = line.chars().take(LONGEST - 1).collect();
    format!("{}…", cut.trim_end())
}

/// The width of a shown text.
pub(super) fn width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).map_or(i32::MAX, |count| count.saturating_mul(CHAR))
}

/// A text whose middle is at this place.
pub(super) fn text(class: &str, x: i32, y: i32, text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!(
        "<text class='{class}' x='{x}' y='{}'>{escaped}</text>",
        y + 4
    )
}

/// A line from one place to another, with an arrow at its end if there is a way on.
pub(super) fn line(from: (i32, i32), to: (i32, i32), is_arrow: bool) -> String {
    let end = if is_arrow {
        " marker-end='url(#a)'"
    } else {
        ""
    };
    format!("<path d='M{} {}L{} {}'{end}/>", from.0, from.1, to.0, to.1)
}

/// A rectangle with round corners.
pub(super) fn rectangle(
    class: &str,
    (x, y): (i32, i32),
    (width, height): (i32, i32),
    round: i32,
) -> String {
    format!(
        "<rect class='{class}' x='{x}' y='{y}' width='{width}' height='{height}' rx='{round}'/>"
    )
}

/// The elements, moved by this much.
pub(super) fn moved((x, y): (i32, i32), elements: &str) -> String {
    format!("<g transform='translate({x} {y})'>{elements}</g>")
}

/// A whole image. It has a background of its own, so that it can be read on any page.
pub(super) fn image(width: i32, height: i32, elements: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}'>\
         <style>\
         svg{{background:#fff;color:#1f2933}}\
         rect,path{{fill:none;stroke:#52606d;stroke-width:1.3}}\
         .step{{fill:#e3f0ff;stroke:#2b6cb0}}.wait{{fill:#fff6db;stroke:#b7791f}}.end{{fill:#e9edf1}}\
         .box{{stroke-dasharray:5 3}}.tip{{fill:#52606d;stroke:none}}\
         text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;text-anchor:middle;fill:currentColor}}\
         .note{{font-size:12px;fill:#52606d}}\
         @media(prefers-color-scheme:dark){{\
         svg{{background:#1d2329;color:#e4e7eb}}\
         rect,path{{stroke:#9aa5b1}}.step{{fill:#1e3a5f;stroke:#63a4ff}}.wait{{fill:#4a3b12;stroke:#e0b84c}}\
         .end{{fill:#323b45}}.tip{{fill:#9aa5b1}}.note{{fill:#9aa5b1}}}}\
         </style>\
         <defs><marker id='a' markerWidth='8' markerHeight='8' refX='7' refY='4' orient='auto'>\
         <path class='tip' d='M0 0L8 4L0 8z'/></marker></defs>{elements}</svg>"
    )
}

/// The image as an address: the page needs nothing else to show it.
pub(super) fn data_url(image: &str) -> String {
    let mut url = String::with_capacity(image.len() * 2);
    url.push_str("data:image/svg+xml,");
    for byte in image.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'/'
            | b':'
            | b'='
            | b';'
            | b',' => {
                url.push(byte.into());
            }
            byte => write!(url, "%{byte:02X}").expect("writing to a `String` never fails"),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = shown(&"ü ".repeat(100));
        assert!(
            text.chars().count() <= LONGEST && text.ends_with('…'),
            "{text}"
        );
        assert_eq!(shown("a\n   b"), "a b");
    }

    #[test]
    fn an_address_ends_no_markdown_link() {
        let url = data_url("<a b='(\"c\")'>%#\\é");
        assert!(
            !url.contains(['(', ')', ' ', '<', '>', '"', '\'', '#', '\\', '\n']),
            "{url}"
        );
    }
}
