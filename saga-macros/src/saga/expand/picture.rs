//! The drawing of a saga for its documentation: an image that stands in the page itself.
//!
//! The macro sees the body and not the steps, so the picture has steps, branches, groups, loops and waits. The kinds of the
//! steps are in `shape()`.

mod block;
mod svg;

use block::Block;

use crate::saga::model::{Body, FanOut, Flow, Loop, Saga, Way};

/// The picture as a Markdown image with its data in it. `None` if there is nothing to draw.
pub(super) fn markdown(saga: &Saga<'_>) -> Option<String> {
    let body = saga.body.as_ref().filter(|body| !body.sites.is_empty())?;
    let name = &saga.options.name;
    let mut blocks = vec![Block::end(name)];
    blocks.extend(Picture(body).blocks(&body.flow));
    blocks.push(Block::end("completed"));
    let image = Block::sequence(&blocks).image();
    Some(format!(
        "![the steps of the saga {name}, from the first to the last]({})",
        svg::data_url(&image)
    ))
}

struct Picture<'a>(&'a Body);

impl Picture<'_> {
    fn blocks(&self, flow: &[Flow]) -> Vec<Block> {
        flow.iter().flat_map(|one| self.block(one)).collect()
    }

    /// The blocks of one action, perhaps none.
    fn block(&self, flow: &Flow) -> Vec<Block> {
        match flow {
            Flow::Step(site) => vec![self.call(*site)],
            Flow::Group(sites) => {
                let members = sites.iter().map(|site| self.call(*site)).collect();
                let group = Block::side_by_side(members).titled("at the same time");
                vec![if self.0.handles(sites) {
                    group.titled("undone first, if it fails")
                } else {
                    group
                }]
            }
            Flow::FanOut(FanOut { site, items, limit }) => {
                let title = format!("for each of {items}, at most {limit} at the same time");
                vec![self.call(*site).titled(&title)]
            }
            Flow::MayFail(_) | Flow::Leave(_) => Vec::new(),
            Flow::Branch(ways) => self.branch(ways),
            Flow::Loop(Loop { of, flow, .. }) => {
                let rounds = self.blocks(flow);
                if rounds.is_empty() {
                    return Vec::new();
                }
                vec![Block::sequence(&rounds).titled(of)]
            }
            Flow::Block { flow, .. } => self.blocks(flow),
            Flow::Return => vec![Block::returned()],
        }
    }

    fn branch(&self, ways: &[Way]) -> Vec<Block> {
        let ways: Vec<_> = ways
            .iter()
            .map(|way| {
                let mut blocks = self.blocks(&way.guard);
                blocks.extend(self.blocks(&way.flow));
                (way.when.as_str(), blocks)
            })
            .collect();
        if ways.iter().all(|(_, blocks)| blocks.is_empty()) {
            return Vec::new();
        }
        let ways = ways
            .into_iter()
            .map(|(when, blocks)| (when, Block::sequence(&blocks)))
            .collect();
        vec![Block::branch(ways)]
    }

    /// A step, another saga, or a wait.
    fn call(&self, site: usize) -> Block {
        let site = &self.0.sites[site];
        match &site.wait {
            None => Block::step(&site.path),
            Some(what) => Block::wait(what),
        }
    }
}
