//! What a statement does, in a few words.

/// Bytes of a summary; a word that does not fit is left out whole.
const MAX_SUMMARY: usize = 255;
const MAX_WORDS: usize = 32;
/// Parentheses within each other; within more, nothing is looked at.
const MAX_FRAMES: usize = 32;

/// Follows the keywords of a statement and collects operations and tables. It is no parser: it knows after which words a table stands.
#[derive(Default)]
pub(super) struct Words {
    pub(super) summary: String,
    count: usize,
    pub(super) operation: String,
    pub(super) collection: String,
    /// Different ones, 2 for more.
    tables: u8,
    expect: Expect,
    /// The last keyword, in upper case; a mark as itself.
    last: Last,
    frames: [Frame; MAX_FRAMES],
    depth: usize,
    /// The statement has its first word.
    started: bool,
    /// After CREATE, ALTER or DROP.
    created: bool,
}

/// One level of parentheses.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// It holds an operation, so that its FROM names tables.
    query: bool,
    /// After FROM, where a comma brings another table.
    list: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Expect {
    #[default]
    Nothing,
    /// Of FROM and JOIN: a name with parentheses is a function.
    Table,
    /// Of INTO, UPDATE, TABLE and CALL.
    Target,
}

/// What the next keyword has to know of what stands before it.
#[derive(Clone, Copy, Default, PartialEq)]
enum Last {
    #[default]
    Other,
    Parenthesis,
    Distinct,
}

impl Words {
    /// A literal or a placeholder.
    pub(super) fn other(&mut self) {
        self.expect = Expect::Nothing;
        self.last = Last::Other;
    }

    fn frame(&mut self) -> &mut Frame {
        &mut self.frames[self.depth.min(MAX_FRAMES - 1)]
    }

    /// A punctuation mark.
    pub(super) fn mark(&mut self, c: u8) {
        self.other();
        match c {
            b'(' => {
                self.depth += 1;
                *self.frame() = Frame::default();
                self.last = Last::Parenthesis;
            }
            b')' => {
                self.depth = self.depth.saturating_sub(1);
                self.last = Last::Parenthesis;
            }
            b';' => {
                (self.depth, self.started, self.created) = (0, false, false);
                self.frames[0] = Frame::default();
            }
            b',' if self.frame().list => self.expect = Expect::Table,
            _ => {}
        }
    }

    /// A keyword or a name. `plain` says that it has neither quotes nor dots, `called` that a parenthesis follows at once.
    pub(super) fn word(&mut self, text: &str, plain: bool, called: bool) {
        let mut letters = [0; 16];
        let keyword = if plain { upper(text, &mut letters) } else { "" };
        let before = self.last;
        self.last = if keyword == "DISTINCT" { Last::Distinct } else { Last::Other };
        let expected = self.expect;
        if expected != Expect::Nothing {
            match keyword {
                // It may stand between; the table is still to come.
                "ONLY" | "LATERAL" | "IF" | "NOT" | "EXISTS" | "CONCURRENTLY" | "TABLE" | "INTO" | "IGNORE" | "FROM" => return,
                "SELECT" | "SET" | "WHERE" | "VALUES" => {}
                _ => {
                    self.expect = Expect::Nothing;
                    if expected == Expect::Target || !called {
                        self.table(text);
                    }
                    return;
                }
            }
        }
        self.expect = Expect::Nothing;
        if !self.started {
            self.started = true;
            if keyword != "WITH" {
                self.begin(keyword);
            }
            return;
        }
        match keyword {
            "SELECT" => self.begin(keyword),
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "REPLACE" if before == Last::Parenthesis => self.begin(keyword),
            "FROM" if self.frame().query && before != Last::Distinct => {
                self.frame().list = true;
                self.expect = Expect::Table;
            }
            "JOIN" | "USING" => {
                self.frame().list = false;
                self.expect = Expect::Table;
            }
            "INTO" => self.expect = Expect::Target,
            "WHERE" | "GROUP" | "ORDER" | "LIMIT" | "ON" | "SET" | "HAVING" | "UNION" | "WINDOW" | "RETURNING" | "VALUES" | "EXCEPT"
            | "INTERSECT" | "FOR" => self.frame().list = false,
            "TABLE" | "INDEX" | "VIEW" | "SCHEMA" | "DATABASE" | "FUNCTION" | "PROCEDURE" | "TRIGGER" | "SEQUENCE" | "TYPE" | "USER"
            | "ROLE" | "EXTENSION"
                if self.created =>
            {
                self.created = false;
                self.add(keyword);
                self.expect = Expect::Target;
            }
            _ => {}
        }
    }

    /// Enters an operation.
    fn begin(&mut self, keyword: &str) {
        if keyword.is_empty() {
            // A name where an operation should stand is none.
            return;
        }
        *self.frame() = Frame { query: true, list: false };
        if self.operation.is_empty() {
            self.operation.push_str(keyword);
        }
        self.add(keyword);
        match keyword {
            "UPDATE" | "TRUNCATE" | "CALL" | "EXEC" | "EXECUTE" => self.expect = Expect::Target,
            "CREATE" | "ALTER" | "DROP" => self.created = true,
            _ => {}
        }
    }

    /// Enters a table by its name without quotes.
    fn table(&mut self, text: &str) {
        let text = if text.contains([' ', '\t', '\r', '\n']) { text.to_owned() } else { text.replace(['"', '`', '[', ']'], "") };
        if text.is_empty() {
            return;
        }
        self.add(&text);
        if self.tables == 0 {
            self.collection = text;
            self.tables = 1;
        } else if self.tables == 1 && self.collection != text {
            self.collection.clear();
            self.tables = 2;
        }
    }

    fn add(&mut self, word: &str) {
        if self.count == MAX_WORDS || self.summary.len() + 1 + word.len() > MAX_SUMMARY {
            // What follows would read as if it stood here.
            self.count = MAX_WORDS;
            return;
        }
        if self.count > 0 {
            self.summary.push(' ');
        }
        self.summary.push_str(word);
        self.count += 1;
    }
}

/// The text in upper case, empty when it has more than 16 bytes: no keyword has.
fn upper<'a>(text: &str, letters: &'a mut [u8; 16]) -> &'a str {
    let Some(letters) = letters.get_mut(..text.len()) else {
        return "";
    };
    letters.copy_from_slice(text.as_bytes());
    letters.make_ascii_uppercase();
    std::str::from_utf8(letters).unwrap_or_default()
}
