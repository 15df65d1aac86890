//! Writes random bodies.

/// A source of numbers (splitmix64). The same seed gives the same numbers.
pub(super) struct Coin(u64);

impl Coin {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

pub(super) struct Author {
    coin: Coin,
    /// The labels of the blocks around the place where it writes.
    labels: Vec<usize>,
    written: usize,
    in_loop: bool,
}

impl Author {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            coin: Coin::new(seed),
            labels: Vec::new(),
            written: 0,
            in_loop: false,
        }
    }

    pub(super) fn body(&mut self) -> String {
        let statements = format!("{} {}", self.statement(2), self.statements(1));
        let tail = match self.coin.below(9) {
            0 => "undoable().await".to_owned(),
            1 => "pivot().await.map_err(f)".to_owned(),
            2 => format!(
                "if coin() {{ {} Ok(()) }} else {{ retriable().await }}",
                self.statements(1)
            ),
            3 => "check()".to_owned(),
            _ => "Ok(())".to_owned(),
        };
        format!("{{ {statements} {tail} }}")
    }

    fn statements(&mut self, depth: usize) -> String {
        (0..self.coin.below(3))
            .map(|_| self.statement(depth))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn step(&mut self) -> &'static str {
        ["undoable", "undoable", "pivot", "retriable"]
            [usize::try_from(self.coin.below(4)).unwrap_or(0)]
    }

    /// A step that can refuse.
    fn fallible(&mut self) -> &'static str {
        if self.coin.below(2) == 0 {
            "undoable"
        } else {
            "pivot"
        }
    }

    fn statement(&mut self, depth: usize) -> String {
        if self.in_loop && self.coin.below(2) == 0 {
            return self.plain(depth);
        }
        if let Some(label) = self.labels.last().copied()
            && self.coin.below(3) == 0
        {
            let statements = self.statements(depth.saturating_sub(1));
            return format!("if coin() {{ {statements} break 'l{label}; }}");
        }
        let choice = if depth == 0 {
            self.coin.below(6)
        } else {
            self.coin.below(16)
        };
        let depth = depth.saturating_sub(1);
        match choice {
            0..3 => format!("{}().await?;", self.step()),
            3 => format!("{}({}().await?).await?;", self.step(), self.step()),
            4 => format!("x[check()?] = {}().await?;", self.step()),
            5 => self.plain(0),
            6 => format!(
                "if coin() {{ {} }} else {{ {} }}",
                self.statements(depth),
                self.statements(depth)
            ),
            7 => format!(
                "if coin() && {}().await? {{ {} }}",
                self.step(),
                self.statements(depth)
            ),
            8 => format!(
                "match coin() {{ _ if {}().await? => {{ {} }}, _ if coin() => {{ {} }}, _ => {{ {} }} }}",
                self.step(),
                self.statements(depth),
                self.statements(depth),
                self.statements(depth)
            ),
            9 => {
                let step = self.fallible();
                let [arms, more] = [["_", "Ok(_)", "Err(_)"], ["_", "Err(_)", "Err(_)"]]
                    .map(|patterns| self.guarded(depth, patterns));
                format!(
                    "match {step}().await {{ {arms} Ok(_) => {{ {} }}, {more} Err(_) => {{ {} }} }}",
                    self.statements(depth),
                    self.statements(depth)
                )
            }
            10 => format!(
                "if let Err(_) = {}().await {{ {} }}",
                self.fallible(),
                self.statements(depth)
            ),
            11 => format!(
                "let Ok(_) = {}().await else {{ {} return Ok(()); }};",
                self.fallible(),
                self.statements(depth)
            ),
            12 => {
                let before = std::mem::replace(&mut self.in_loop, true);
                let body = self.statements(depth + 1);
                self.in_loop = before;
                match self.coin.below(4) {
                    0 => format!("while {}().await? {{ {body} }}", self.step()),
                    1 => format!("loop {{ {body} if coin() {{ break; }} }}"),
                    _ => format!("for _ in coins() {{ {body} }}"),
                }
            }
            13 | 14 => {
                let label = self.written;
                self.written += 1;
                self.labels.push(label);
                let body = self.statements(depth + 1);
                self.labels.pop();
                format!("'l{label}: {{ {body} }}")
            }
            _ => format!("let _ = coin() || {}().await?;", self.step()),
        }
    }

    /// At most two guarded arms with these patterns.
    fn guarded(&mut self, depth: usize, patterns: [&str; 3]) -> String {
        let arms = (0..self.coin.below(3)).map(|_| {
            let pattern = patterns[usize::try_from(self.coin.below(3)).unwrap_or(0)];
            let guard = match self.coin.below(3) {
                0 => "coin()".to_owned(),
                _ => format!("{}().await?", self.step()),
            };
            format!("{pattern} if {guard} => {{ {} }},", self.statements(depth))
        });
        arms.collect()
    }

    /// A statement without steps of its own.
    fn plain(&mut self, depth: usize) -> String {
        match self.coin.below(if depth == 0 { 6 } else { 8 }) {
            0 => "check()?;".to_owned(),
            1 => "if coin() { return Ok(()); }".to_owned(),
            2 => "return Ok(());".to_owned(),
            3 if self.in_loop => "if coin() { break; }".to_owned(),
            4 if self.in_loop => "continue;".to_owned(),
            3..6 => match self.labels.last() {
                Some(label) => format!("if coin() {{ break 'l{label}; }}"),
                None => "if coin() { return Err(()); }".to_owned(),
            },
            _ => format!("if coin() {{ {} }}", self.statements(depth - 1)),
        }
    }
}
