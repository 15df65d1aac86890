//! Runs the bodies of the author on every path, and notes the order of events.

use syn::{BinOp, Block, Expr, ExprAwait, ExprMatch, Local, Pat, Stmt};

use super::Kind;

/// The runner skips bodies with more paths.
const MOST_WAYS: usize = 5_000;

/// Returns whether a path through the body fails after a step that can't be undone. `None` if there are too many paths.
pub(super) fn breaks_the_rule(body: &Block) -> Option<bool> {
    let mut turns = Turns::default();
    for _ in 0..MOST_WAYS {
        let mut runner = Runner {
            turns: &mut turns,
            closed: false,
            broken: false,
        };
        if let Ok(false) = runner.block(body) {
            runner.fail();
        }
        if runner.broken {
            return Some(true);
        }
        if !turns.next() {
            return Some(false);
        }
    }
    None
}

/// The turn at each decision on one path. The runner tries every turn.
#[derive(Default)]
struct Turns {
    taken: Vec<(u64, u64)>,
    at: usize,
}

impl Turns {
    fn take(&mut self, of: u64) -> u64 {
        if self.at == self.taken.len() {
            self.taken.push((0, of));
        }
        self.at += 1;
        self.taken[self.at - 1].0
    }

    /// Goes to the next path. Returns `false` after the last one.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((turn, of)) = self.taken.pop() {
            if turn + 1 < of {
                self.taken.push((turn + 1, of));
                return true;
            }
        }
        false
    }
}

struct Runner<'t> {
    turns: &'t mut Turns,
    /// Set after a step that can't be undone.
    closed: bool,
    broken: bool,
}

/// The reason to continue elsewhere in the body.
enum Jump {
    Return,
    Continue,
    Break(Option<String>),
}

/// A value that a decision depends on: a `bool` or a `Result`.
type Run = Result<bool, Jump>;

impl Runner<'_> {
    fn coin(&mut self) -> bool {
        self.turns.take(2) == 0
    }

    fn fail(&mut self) {
        self.broken |= self.closed;
    }

    fn block(&mut self, block: &Block) -> Run {
        let mut value = true;
        for statement in &block.stmts {
            value = match statement {
                Stmt::Local(local) => self.local(local)?,
                Stmt::Expr(value, _) => self.expr(value)?,
                Stmt::Item(_) | Stmt::Macro(_) => true,
            };
        }
        Ok(value)
    }

    fn local(&mut self, local: &Local) -> Run {
        let Some(init) = &local.init else {
            return Ok(true);
        };
        let value = self.expr(&init.expr)?;
        if let (false, Some((_, otherwise))) = (value, &init.diverge) {
            self.expr(otherwise)?;
        }
        Ok(true)
    }

    fn expr(&mut self, node: &Expr) -> Run {
        match node {
            Expr::Await(awaited) => self.step(awaited),
            Expr::Try(attempt) => {
                let refusal_is_its_own = matches!(*attempt.expr, Expr::Await(_));
                if self.expr(&attempt.expr)? {
                    return Ok(self.coin());
                }
                if !refusal_is_its_own {
                    self.fail();
                }
                Err(Jump::Return)
            }
            // A call that translates a refusal is no failure of its own.
            Expr::MethodCall(call) => {
                if self.expr(&call.receiver)? {
                    Ok(true)
                } else {
                    Err(Jump::Return)
                }
            }
            Expr::Call(call) => {
                for argument in &call.args {
                    self.expr(argument)?;
                }
                Ok(match &*call.func {
                    Expr::Path(path) if path.path.is_ident("Ok") => true,
                    Expr::Path(path) if path.path.is_ident("Err") => false,
                    _ => self.coin(),
                })
            }
            Expr::Assign(assign) => {
                self.expr(&assign.right)?;
                self.expr(&assign.left)
            }
            Expr::Index(index) => self.expr(&index.index),
            Expr::Let(binding) => {
                let value = self.expr(&binding.expr)?;
                Ok(!value)
            }
            Expr::Binary(binary) => {
                let left = self.expr(&binary.left)?;
                match binary.op {
                    BinOp::And(_) if left => self.expr(&binary.right),
                    BinOp::Or(_) if !left => self.expr(&binary.right),
                    _ => Ok(left),
                }
            }
            Expr::If(branch) => {
                if self.expr(&branch.cond)? {
                    self.block(&branch.then_branch)
                } else {
                    match &branch.else_branch {
                        Some((_, otherwise)) => self.expr(otherwise),
                        None => Ok(true),
                    }
                }
            }
            Expr::Match(branch) => self.arms(branch),
            Expr::Block(block) => {
                let label = block
                    .label
                    .as_ref()
                    .map(|label| label.name.ident.to_string());
                match self.block(&block.block) {
                    Err(Jump::Break(to)) if to.is_some() && to == label => Ok(true),
                    end => end,
                }
            }
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => self.rounds(node),
            Expr::Return(returned) => {
                if let Some(value) = &returned.expr
                    && !self.expr(value)?
                {
                    self.fail();
                }
                Err(Jump::Return)
            }
            Expr::Break(jump) => {
                let label = jump.label.as_ref().map(|label| label.ident.to_string());
                Err(Jump::Break(label))
            }
            Expr::Continue(_) => Err(Jump::Continue),
            _ => Ok(true),
        }
    }

    /// At most three rounds: any mistake shows in the second.
    fn rounds(&mut self, node: &Expr) -> Run {
        let (most, ends_itself, body) = match node {
            Expr::ForLoop(each) => (self.turns.take(3), true, &each.body),
            Expr::While(each) => (3, true, &each.body),
            Expr::Loop(each) => (3, false, &each.body),
            _ => return Ok(true),
        };
        for _ in 0..most {
            if let Expr::While(each) = node
                && !self.expr(&each.cond)?
            {
                return Ok(true);
            }
            match self.block(body) {
                Ok(_) | Err(Jump::Continue) => {}
                Err(Jump::Break(None)) => return Ok(true),
                Err(jump) => return Err(jump),
            }
        }
        if ends_itself {
            Ok(true)
        } else {
            Err(Jump::Return)
        }
    }

    fn arms(&mut self, branch: &ExprMatch) -> Run {
        let value = self.expr(&branch.expr)?;
        for arm in &branch.arms {
            let (pattern, guard) = match &arm.pat {
                Pat::Guard(guarded) => (&*guarded.pat, Some(&*guarded.guard)),
                pattern => (pattern, None),
            };
            let matches = match pattern {
                Pat::TupleStruct(variant) => variant.path.is_ident("Ok") == value,
                Pat::Lit(literal) => {
                    matches!(&literal.lit, syn::Lit::Bool(bool) if bool.value == value)
                }
                _ => true,
            };
            if matches
                && match guard {
                    Some(guard) => self.expr(guard)?,
                    None => true,
                }
            {
                return self.expr(&arm.body);
            }
        }
        Ok(true)
    }

    /// A retriable step never refuses. A step that refuses did nothing, and ends the saga unless the body handles it.
    fn step(&mut self, awaited: &ExprAwait) -> Run {
        let Expr::Call(call) = &*awaited.base else {
            return Ok(true);
        };
        for argument in &call.args {
            self.expr(argument)?;
        }
        let Expr::Path(path) = &*call.func else {
            return Ok(true);
        };
        let kind = path
            .path
            .get_ident()
            .map_or(Kind::Undoable, |name| Kind::of(&name.to_string()));
        if kind == Kind::Retriable {
            self.closed = true;
            return Ok(true);
        }
        self.fail();
        let done = self.coin();
        self.closed |= done && kind == Kind::Pivot;
        Ok(done)
    }
}
