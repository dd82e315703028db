//! Every picture of a page as a file by itself, for a paper.

use std::collections::HashSet;

use maud::html;

use super::{Block, Page, Pictured};

/// A picture as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFile {
    /// The file's name: letters, digits and `_`, then `.svg`. No two of a page differ in case alone.
    pub name: String,
    /// SVG 1.1 that stands alone, in light colours; one of pixels has them in it, and its caption as its description.
    pub svg: String,
}

impl Page {
    /// The charts and pictures of the page, in its order. A chart is named by its title, a picture by its section and what it
    /// shows.
    pub fn pictures(&self) -> Vec<PictureFile> {
        let mut files: Vec<(String, String)> = vec![];
        for section in &self.sections {
            for block in &section.blocks {
                match block {
                    Block::Charts(drawings) => {
                        files.extend(drawings.iter().map(|d| (file_name(&d.file_title()), d.draw(true))));
                    }
                    Block::Panels(panels) => {
                        files.extend(panels.drawings.iter().map(|d| (file_name(&d.file_title()), d.draw(true))));
                    }
                    Block::Pictures(pictures) => files.extend(
                        pictures.iter().map(|p| (file_name(&format!("{} {}", section.title, p.name)), p.svg())),
                    ),
                    _ => {}
                }
            }
        }
        let mut taken = HashSet::new();
        let mut unlike = |name: &str| {
            let numbered = (2u64..).map(|k| format!("{name}_{k}"));
            let free = std::iter::once(name.to_owned()).chain(numbered).find(|n| taken.insert(n.to_lowercase()));
            free.unwrap_or_default()
        };
        files.into_iter().map(|(name, svg)| PictureFile { name: format!("{}.svg", unlike(&name)), svg }).collect()
    }
}

impl Pictured {
    /// The picture as SVG: its pixels stay square and sharp at any size.
    fn svg(&self) -> String {
        let (width, height) = (self.picture.width, self.picture.height);
        let times = self.magnified();
        let markup = html! {
            svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
                width=(width * times) height=(height * times) viewBox=(format!("0 0 {width} {height}")) {
                title { (self.name) }
                desc { (self.caption) "; " (self.picture.scale) }
                image width=(width) height=(height) style="image-rendering:pixelated" image-rendering="optimizeSpeed"
                    xlink:href=(self.picture.uri) {}
            }
        };
        format!("{}\n", markup.into_string())
    }
}

/// A title as a file's name.
fn file_name(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        match c {
            c if c.is_alphanumeric() => name.push(c),
            '²' => name.push('2'),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() { "picture".to_owned() } else { name.to_owned() }
}
