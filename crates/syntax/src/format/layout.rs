//! A small pretty printer: groups that stay on one line if they fit and break at every line otherwise, after Wadler
//! ("A prettier printer", 2003) and Lindig ("Strictly pretty", 2000).

/// Columns that a line may take.
const WIDTH: usize = 100;

/// Columns of one level of indentation.
const INDENT: usize = 2;

/// A piece of layout.
pub enum Doc<'s> {
    /// Text without line breaks.
    Text(&'s str),
    /// One space, none at the start of a line.
    Space,
    /// This text while the group stays on one line, else a line break.
    Line(&'static str),
    /// A line break; the groups around it break too. Several in a row are one.
    Hard,
    /// An empty line; several in a row are one.
    Blank,
    /// A comment that goes to the end of the line, whatever else is to stand on it.
    Suffix(&'s str),
    /// One level deeper.
    Indent(Box<Doc<'s>>),
    /// Either all on one line or broken.
    Group(Box<Doc<'s>>),
    /// One after the other.
    Join(Vec<Doc<'s>>),
}

impl<'s> Doc<'s> {
    /// One level deeper.
    pub fn indent(parts: Vec<Doc<'s>>) -> Self {
        Doc::Indent(Box::new(Doc::Join(parts)))
    }

    /// Either all on one line or broken.
    pub fn group(parts: Vec<Doc<'s>>) -> Self {
        Doc::Group(Box::new(Doc::Join(parts)))
    }

    /// The text of the layout, which ends with a line break unless it is empty.
    pub fn render(&self) -> String {
        let mut page = Page::default();
        let mut todo = vec![Piece { indent: 0, flat: false, doc: self }];
        while let Some(piece) = todo.pop() {
            page.place(piece, &mut todo);
        }
        page.line_break();
        page.out
    }
}

#[derive(Clone, Copy)]
struct Piece<'d, 's> {
    indent: usize,
    flat: bool,
    doc: &'d Doc<'s>,
}

#[derive(Default)]
struct Page<'s> {
    out: String,
    /// The columns taken on this line; 0 at its start, before the indentation.
    column: usize,
    suffix: Option<&'s str>,
}

impl<'s> Page<'s> {
    fn place<'d>(&mut self, piece: Piece<'d, 's>, todo: &mut Vec<Piece<'d, 's>>) {
        match piece.doc {
            Doc::Text(text) => {
                if self.column == 0 {
                    self.write(&" ".repeat(piece.indent));
                }
                self.write(text);
            }
            Doc::Space if self.column > 0 => self.write(" "),
            Doc::Space => {}
            Doc::Line(text) if piece.flat => self.write(text),
            Doc::Line(_) | Doc::Hard => self.line_break(),
            Doc::Blank => {
                self.line_break();
                if !self.out.is_empty() && !self.out.ends_with("\n\n") {
                    self.out.push('\n');
                }
            }
            Doc::Suffix(comment) => self.suffix = Some(comment),
            Doc::Indent(doc) => todo.push(Piece { indent: piece.indent.saturating_add(INDENT), doc, ..piece }),
            Doc::Group(doc) => {
                let group = Piece { flat: true, doc, ..piece };
                let flat = piece.flat || self.fits(group, todo);
                todo.push(Piece { flat, ..group });
            }
            Doc::Join(parts) => todo.extend(parts.iter().rev().map(|doc| Piece { doc, ..piece })),
        }
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        self.column = self.column.saturating_add(text.chars().count());
    }

    /// Ends the line, if anything stands on it.
    fn line_break(&mut self) {
        if self.column == 0 {
            return;
        }
        let end = self.out.trim_end_matches(' ').len();
        self.out.truncate(end);
        if let Some(comment) = self.suffix.take() {
            self.out.push_str("  ");
            self.out.push_str(comment);
        }
        self.out.push('\n');
        self.column = 0;
    }

    /// Whether a group, kept on one line, and what follows it up to the next possible break stay within the width.
    fn fits(&self, group: Piece<'_, 's>, rest: &[Piece<'_, 's>]) -> bool {
        let start = if self.column == 0 { group.indent } else { self.column };
        let mut room = WIDTH.saturating_sub(start);
        let mut rest = rest.iter().rev();
        let mut todo = vec![group];
        while let Some(piece) = todo.pop().or_else(|| rest.next().copied()) {
            let width = match piece.doc {
                Doc::Text(text) => text.chars().count(),
                Doc::Space => 1,
                Doc::Line(text) if piece.flat => text.len(),
                Doc::Line(_) | Doc::Blank => return true,
                Doc::Hard => return !piece.flat,
                Doc::Suffix(_) => 0,
                Doc::Indent(doc) | Doc::Group(doc) => {
                    todo.push(Piece { doc, ..piece });
                    0
                }
                Doc::Join(parts) => {
                    todo.extend(parts.iter().rev().map(|doc| Piece { doc, ..piece }));
                    0
                }
            };
            match room.checked_sub(width) {
                Some(left) => room = left,
                None => return false,
            }
        }
        true
    }
}
