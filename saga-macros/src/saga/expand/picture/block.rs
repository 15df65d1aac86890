//! The parts of a picture. A part is entered at its top and left at its bottom, both in its middle.

use super::svg::{image, line, moved, rectangle, shown, text, width};

/// A part of the picture with its size.
#[derive(Debug, Clone)]
pub(super) struct Block {
    width: i32,
    height: i32,
    /// Set if the saga goes on below it.
    goes_on: bool,
    elements: String,
}

/// The height of a box with one line of text.
const BOX: i32 = 30;

/// The height of a line of text without a box.
const LABEL: i32 = 20;

/// The space between two parts.
const GAP: i32 = 22;

/// The space between a frame and its content.
const MARGIN: i32 = 14;

impl Block {
    fn boxed(class: &str, label: &str, round: i32) -> Self {
        let label = shown(label);
        let size = (width(&label) + 28, BOX);
        let elements =
            rectangle(class, (0, 0), size, round) + &text("", size.0 / 2, BOX / 2, &label);
        Self {
            width: size.0,
            height: BOX,
            goes_on: true,
            elements,
        }
    }

    /// The call of a step, or of another saga.
    pub(super) fn step(path: &str) -> Self {
        Self::boxed("step", path, 4)
    }

    /// A wait, in the words of the source.
    pub(super) fn wait(what: &str) -> Self {
        Self::boxed("wait", what, BOX / 2)
    }

    /// The beginning or the end of the saga.
    pub(super) fn end(label: &str) -> Self {
        Self::boxed("end", label, BOX / 2)
    }

    /// The body returns before its end.
    pub(super) fn returned() -> Self {
        Self {
            goes_on: false,
            ..Self::end("return")
        }
    }

    /// These parts, one below the other.
    pub(super) fn sequence(blocks: &[Self]) -> Self {
        let width = blocks.iter().map(|block| block.width).max().unwrap_or(0);
        let middle = width / 2;
        let (mut y, mut goes_on, mut elements) = (0, true, String::new());
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 {
                if goes_on {
                    elements += &line((middle, y), (middle, y + GAP), true);
                }
                y += GAP;
            }
            elements += &moved((middle - block.width / 2, y), &block.elements);
            y += block.height;
            goes_on = block.goes_on;
        }
        Self {
            width,
            height: y,
            goes_on,
            elements,
        }
    }

    /// These parts, one beside the other, each entered from the top and left to the bottom.
    pub(super) fn side_by_side(blocks: Vec<Self>) -> Self {
        let blocks: Vec<_> = blocks
            .into_iter()
            .map(|block| (String::new(), block))
            .collect();
        Self::between_rails(&blocks)
    }

    /// One of these ways, each under its condition.
    pub(super) fn branch(ways: Vec<(&str, Self)>) -> Self {
        let ways: Vec<_> = ways
            .into_iter()
            .map(|(when, block)| (shown(when), block))
            .collect();
        Self::between_rails(&ways)
    }

    fn between_rails(blocks: &[(String, Self)]) -> Self {
        let label = if blocks.iter().all(|(label, _)| label.is_empty()) {
            0
        } else {
            LABEL
        };
        let top = GAP / 2 + label;
        let tallest = blocks
            .iter()
            .map(|(_, block)| block.height)
            .max()
            .unwrap_or(0);
        let bottom = top + GAP + tallest + GAP / 2;
        let (mut x, mut elements, mut middles) = (0, String::new(), Vec::new());
        for (when, block) in blocks {
            let wide = block.width.max(width(when));
            let middle = x + wide / 2;
            middles.push((middle, block.goes_on));
            elements += &line((middle, GAP / 2), (middle, GAP / 2 + 1), false);
            if when.is_empty() {
                elements += &line((middle, GAP / 2), (middle, top + GAP), block.height > 0);
            } else {
                elements += &text("note", middle, GAP / 2 + label / 2 + 4, when);
                elements += &line((middle, top + 6), (middle, top + GAP), block.height > 0);
            }
            elements += &moved((middle - block.width / 2, top + GAP), &block.elements);
            if block.goes_on {
                elements += &line((middle, top + GAP + block.height), (middle, bottom), false);
            }
            x += wide + GAP;
        }
        let wide = (x - GAP).max(0);
        let center = wide / 2;
        let rail = |middles: &mut dyn Iterator<Item = i32>, y: i32| {
            let (low, high) = middles.fold((center, center), |(low, high), middle| {
                (low.min(middle), high.max(middle))
            });
            line((low, y), (high, y), false)
        };
        elements += &rail(&mut middles.iter().map(|(middle, _)| *middle), GAP / 2);
        elements += &line((center, 0), (center, GAP / 2), false);
        let goes_on = middles.iter().any(|(_, goes_on)| *goes_on);
        if goes_on {
            let left = middles.iter().filter(|(_, goes_on)| *goes_on);
            elements += &rail(&mut left.map(|(middle, _)| *middle), bottom);
        }
        Self {
            width: wide,
            height: bottom,
            goes_on,
            elements,
        }
    }

    /// This part in a frame with a title.
    pub(super) fn titled(self, title: &str) -> Self {
        let title = shown(title);
        let wide = self.width.max(width(&title)) + 2 * MARGIN;
        let top = LABEL + MARGIN;
        let size = (wide, top + self.height + MARGIN);
        let middle = wide / 2;
        let mut elements = rectangle("box", (0, 0), size, 8);
        elements += &text("note", middle, LABEL / 2 + 3, &title);
        elements += &line((middle, LABEL + 2), (middle, top), true);
        elements += &moved((middle - self.width / 2, top), &self.elements);
        if self.goes_on {
            elements += &line((middle, top + self.height), (middle, size.1), false);
        }
        Self {
            width: wide,
            height: size.1,
            goes_on: self.goes_on,
            elements,
        }
    }

    /// The whole picture.
    pub(super) fn image(&self) -> String {
        let (width, height) = (self.width + 2 * MARGIN, self.height + 2 * MARGIN);
        image(width, height, &moved((MARGIN, MARGIN), &self.elements))
    }
}
