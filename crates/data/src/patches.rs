//! Square patches at random places of images, raw or whitened.

use std::path::{Path, PathBuf};

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use crate::binary;
use crate::error::{DataError, Kind, Place};
use crate::file;
use crate::images::{self, Picture};
use crate::npy;
use crate::whiten::{self, Filter};
use crate::{Channels, Content, Element, Header, Moving, Reader};

/// Times that flat patches are drawn again before that is an error.
const ROUNDS: u128 = 100;
/// 32-bit words of the generator's stream set apart for one draw: one block.
const WORDS_PER_DRAW: u128 = 16;

/// What `patches` asks for, checked.
struct Request<'a> {
    pattern: &'a Path,
    array: Option<&'a str>,
    images: Option<usize>,
    channels: Channels,
    size: usize,
    count: usize,
    seed: u64,
    border: usize,
    moving: Option<Moving>,
}

impl Request<'_> {
    fn shape(&self) -> Vec<usize> {
        let frames = self.moving.map(|m| m.frames);
        let channels = (self.channels == Channels::Color).then(|| self.channels.count());
        [Some(self.count), frames, channels, Some(self.size * self.size)].into_iter().flatten().collect()
    }

    fn frames(&self) -> usize {
        self.moving.map_or(1, |m| m.frames)
    }
}

fn request(reader: &Reader, whitened: bool) -> Result<Request<'_>, DataError> {
    let Reader::Patches { pattern, array, images, channels, size, count, seed, border, moving } = reader else {
        return Err(DataError::new(Kind::Argument, "not a `patches` reader"));
    };
    let fits = size
        .checked_mul(*size)
        .and_then(|pixels| pixels.checked_mul(channels.count())?.checked_mul(*count))
        .and_then(|values| values.checked_mul(moving.map_or(1, |m| m.frames)))
        .is_some_and(|values| (1..=binary::MAX_ELEMENTS).contains(&values));
    if !fits {
        return Err(DataError::new(
            Kind::Argument,
            format!("`patches` with size = {size} and count = {count} gives no array that can be held"),
        )
        .help(format!("both are at least 1, and size² × count at most {}", binary::MAX_ELEMENTS)));
    }
    if let Some(Moving { drift, .. }) = moving.filter(|m| !(m.drift.is_finite() && m.drift >= 0.0)) {
        let message = format!("the drift of `patches` is {drift}; it must be finite and at least 0");
        return Err(DataError::new(Kind::Argument, message).help("it is in pixels a frame: 0.7"));
    }
    let border = if whitened { (*border).max(whiten::BORDER) } else { *border };
    let (array, images, channels) = (array.as_deref(), *images, *channels);
    Ok(Request { pattern, array, images, channels, size: *size, count: *count, seed: *seed, border, moving: *moving })
}

/// Images from files that are read when they are needed, or from one array.
enum Images {
    Files(Vec<(PathBuf, (usize, usize))>),
    Array { path: PathBuf, count: usize, height: usize, width: usize, channels: Channels, values: Vec<f64> },
}

impl Images {
    fn len(&self) -> usize {
        match self {
            Images::Files(files) => files.len(),
            Images::Array { count, .. } => *count,
        }
    }

    /// Height and width of an image.
    fn size(&self, index: usize) -> (usize, usize) {
        match self {
            Images::Files(files) => files.get(index).map(|(_, size)| *size).unwrap_or_default(),
            Images::Array { height, width, .. } => (*height, *width),
        }
    }

    /// An image, a picture for each channel.
    fn read(&self, index: usize, channels: Channels) -> Result<Vec<Picture>, DataError> {
        match self {
            Images::Files(files) => match files.get(index) {
                Some((path, _)) => images::read(path, channels),
                None => Err(DataError::new(Kind::Argument, "there is no such image")),
            },
            Images::Array { height, width, channels, values, .. } => {
                let (height, width, channels) = (*height, *width, channels.count());
                let pixels = values.chunks_exact(height * width * channels).nth(index).unwrap_or_default();
                let of = |c: usize| pixels.iter().skip(c).step_by(channels).copied().collect();
                Ok((0..channels).map(|c| Picture { height, width, pixels: of(c) }).collect())
            }
        }
    }

    fn path(&self, index: usize) -> PathBuf {
        match self {
            Images::Files(files) => files.get(index).map(|(path, _)| path.clone()).unwrap_or_default(),
            Images::Array { path, .. } => path.clone(),
        }
    }
}

/// The first images only, where so many are asked for.
fn first(request: &Request, mut images: Images) -> Result<Images, DataError> {
    let Some(wanted) = request.images else { return Ok(images) };
    let there = images.len();
    if wanted == 0 || wanted > there {
        let message = format!("`patches` asks for the first {wanted} images, of {there}");
        return Err(DataError::file(Kind::Argument, request.pattern, message).help(format!("`images` is 1 to {there}")));
    }
    match &mut images {
        Images::Files(files) => files.truncate(wanted),
        Images::Array { count, .. } => *count = wanted,
    }
    Ok(images)
}

pub(crate) fn header(reader: &Reader, whitened: bool) -> Result<Header, DataError> {
    let request = request(reader, whitened)?;
    check_sizes(&request, &first(&request, open(&request, false)?)?)?;
    Ok(Header::new(request.shape(), Element::Real))
}

pub(crate) fn load(reader: &Reader, whitened: bool) -> Result<Content, DataError> {
    let request = request(reader, whitened)?;
    let images = first(&request, open(&request, true)?)?;
    check_sizes(&request, &images)?;

    let area = request.size * request.size;
    let frame = area * request.channels.count();
    let all = frame * request.frames();
    let mut values = binary::reserve(request.pattern, request.count * all)?;
    values.resize(request.count * all, 0.0);
    let mut rng = ChaCha8Rng::seed_from_u64(request.seed);
    let mut filter = Filter::default();
    let mut pending: Vec<usize> = (0..request.count).collect();
    let mut redrawn = 0;
    // Patches are cut image by image, so that one is in memory at a time.
    for round in 0..ROUNDS {
        let mut draws: Vec<Draw> =
            pending.iter().map(|patch| draw(&mut rng, *patch, round, &request, &images)).collect();
        draws.sort_by_key(|draw| draw.image);
        pending.clear();
        for group in draws.chunk_by(|a, b| a.image == b.image) {
            let Some(first) = group.first() else { continue };
            let mut planes = images.read(first.image, request.channels)?;
            if whitened {
                planes.iter_mut().for_each(|plane| *plane = filter.apply(plane));
            }
            for draw in group {
                let start = draw.patch * all;
                let Some(patch) = values.get_mut(start..start + all) else { continue };
                match request.moving {
                    None => cut(&planes, draw, request.size, patch),
                    Some(moving) => {
                        let path = path(draw, round, &request, moving, images.size(draw.image));
                        for (place, part) in path.into_iter().zip(patch.chunks_exact_mut(frame)) {
                            interpolated(&planes, place, request.size, part);
                        }
                    }
                }
                if whitened && !patch.chunks_exact_mut(area).all(whiten::standardize) {
                    pending.push(draw.patch);
                }
            }
        }
        if pending.is_empty() {
            let header = Header::new(request.shape(), Element::Real);
            return Ok(Content { redrawn, ..Content::new(header, values) });
        }
        redrawn += pending.len();
    }
    Err(DataError::file(
        Kind::Constant,
        request.pattern,
        format!("{} patches were drawn {ROUNDS} times, and nothing varied in any", pending.len()),
    )
    .help("most of the images is flat; leave the flat ones out, or take larger patches"))
}

/// One place for one patch.
struct Draw {
    patch: usize,
    image: usize,
    top: usize,
    left: usize,
}

/// Draws an image, then a place in it. Each patch has a stream of its own and each round a block of
/// that stream, so that no draw depends on any other.
fn draw(rng: &mut ChaCha8Rng, patch: usize, round: u128, request: &Request, images: &Images) -> Draw {
    rng.set_stream(patch as u64);
    rng.set_word_pos(round * WORDS_PER_DRAW);
    let image = below(rng, images.len());
    let (height, width) = images.size(image);
    let free = |side: usize| (side + 1).saturating_sub(2 * request.border + request.size);
    let top = request.border + below(rng, free(height));
    let left = request.border + below(rng, free(width));
    Draw { patch, image, top, left }
}

/// Uniform on 0..bound, by the high half of a product; its bias is below bound / 2^64.
fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

/// Cuts a patch at its place.
fn cut(planes: &[Picture], draw: &Draw, size: usize, into: &mut [f64]) {
    for (plane, part) in planes.iter().zip(into.chunks_exact_mut(size * size)) {
        for (row, into) in part.chunks_exact_mut(size).enumerate() {
            let from = plane.segment(draw.top + row, draw.left, size);
            into.iter_mut().zip(from).for_each(|(into, from)| *into = *from);
        }
    }
}

/// The places of a patch that moves, top and left, from frame to frame. Its steps have a generator of their own, so that it
/// begins where a patch that rests would be.
fn path(
    draw: &Draw,
    round: u128,
    request: &Request,
    moving: Moving,
    (height, width): (usize, usize),
) -> Vec<(f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(!request.seed);
    rng.set_stream(draw.patch as u64);
    rng.set_word_pos(round << 40);
    let low = request.border as f64;
    let high = |side: usize| side.saturating_sub(request.border + request.size) as f64;
    let (mut top, mut left) = (draw.top as f64, draw.left as f64);
    let mut places = vec![];
    for _ in 0..moving.frames {
        places.push((top, left));
        let mut step = || -> f64 { moving.drift * Distribution::<f64>::sample(&StandardNormal, &mut rng) };
        top = reflected(top + step(), low, high(height));
        left = reflected(left + step(), low, high(width));
    }
    places
}

/// A number folded back into an interval.
fn reflected(x: f64, low: f64, high: f64) -> f64 {
    let length = high - low;
    if length <= 0.0 {
        return low;
    }
    let turn = (x - low).rem_euclid(2.0 * length);
    low + if turn > length { 2.0 * length - turn } else { turn }
}

/// A patch at a place between pixels, each being the mean of its four neighbours by their nearness.
fn interpolated(planes: &[Picture], (top, left): (f64, f64), size: usize, into: &mut [f64]) {
    let (row, column) = (top.floor(), left.floor());
    let (down, right) = (top - row, left - column);
    for (plane, part) in planes.iter().zip(into.chunks_exact_mut(size * size)) {
        let at = |r: usize, c: usize| {
            // At the last place there is no neighbour, and none is needed.
            let (r, c) = (r.min(plane.height.saturating_sub(1)), c.min(plane.width.saturating_sub(1)));
            plane.pixels.get(r * plane.width + c).copied().unwrap_or(0.0)
        };
        for (k, into) in part.iter_mut().enumerate() {
            let (r, c) = (row as usize + k / size, column as usize + k % size);
            let upper = (1.0 - right) * at(r, c) + right * at(r, c + 1);
            let lower = (1.0 - right) * at(r + 1, c) + right * at(r + 1, c + 1);
            *into = (1.0 - down) * upper + down * lower;
        }
    }
}

fn check_sizes(request: &Request, images: &Images) -> Result<(), DataError> {
    let due = request.border.checked_mul(2).and_then(|both| both.checked_add(request.size));
    for index in 0..images.len() {
        let (height, width) = images.size(index);
        if due.is_none_or(|due| due > height.min(width)) {
            let path = images.path(index);
            return Err(images::too_small(&[path], height, width, request.border, request.size));
        }
    }
    Ok(())
}

/// Finds the images; the values of an array are read only where they are asked for.
fn open(request: &Request, with_values: bool) -> Result<Images, DataError> {
    let paths = file::expand(request.pattern)?;
    if let [path] = paths.as_slice() {
        let (mut opened, _) = file::open(path)?;
        let mut start = [0; 6];
        binary::fill(&mut opened, &mut start).map_err(|error| DataError::io(path, &error))?;
        if start.starts_with(npy::MAGIC) || start.starts_with(npy::ZIP_MAGIC) {
            return open_array(path, request, start.starts_with(npy::MAGIC), with_values);
        }
    }
    if let Some(array) = request.array {
        return Err(DataError::file(
            Kind::Argument,
            request.pattern,
            format!("array `{array}` is named, but only an .npz has arrays"),
        )
        .help("leave the name out for images"));
    }
    let sized = paths.into_iter().map(|path| images::size(&path).map(|size| (path, size)));
    Ok(Images::Files(sized.collect::<Result<_, _>>()?))
}

fn open_array(path: &Path, request: &Request, plain: bool, with_values: bool) -> Result<Images, DataError> {
    let (array, channels) = (request.array, request.channels);
    let header = if plain { npy::header(path)? } else { npy::npz_header(path, array)? };
    let (count, height, width) = match (channels, header.shape.as_slice()) {
        (Channels::Grey, &[height, width]) | (Channels::Color, &[height, width, 3]) => (1, height, width),
        (Channels::Grey, &[count, height, width]) | (Channels::Color, &[count, height, width, 3]) => {
            (count, height, width)
        }
        _ => {
            let (what, help) = match channels {
                Channels::Grey => (
                    "grey",
                    "patches are cut from [image, height, width] or [height, width]; of a last dimension of 3 with \
                     `color = true`",
                ),
                Channels::Color => ("colour", "patches are cut from [image, height, width, 3] or [height, width, 3]"),
            };
            let message = format!("an array of shape {:?} is not {what} images", header.shape);
            return Err(DataError::file(Kind::Stage, path, message).help(help));
        }
    };
    let values = match with_values {
        true => grey(path, if plain { npy::load(path)? } else { npy::npz_load(path, array)? })?,
        false => Vec::new(),
    };
    Ok(Images::Array { path: path.to_owned(), count, height, width, channels, values })
}

/// Grey levels in [0, 1].
fn grey(path: &Path, content: Content) -> Result<Vec<f64>, DataError> {
    let white = match content.white {
        Some(white) => white,
        None if content.header.element == Element::Integer => {
            return Err(DataError::file(Kind::ElementType, path, "these integers are not grey levels of 8 or 16 bits")
                .help("save the images as uint8, or as floats in [0, 1]"));
        }
        None => 1.0,
    };
    let outside = content.values.iter().position(|x| !(0.0..=white).contains(x));
    if let Some(position) = outside {
        let value = content.values.get(position).copied().unwrap_or(f64::NAN);
        let place: Place = crate::place(&content.header, &[], position);
        return Err(DataError::file(Kind::Argument, path, format!("the grey level is {value}, outside [0, 1]"))
            .at(place)
            .help("divide the images by their white before saving them, or save them as uint8"));
    }
    Ok(content.values.into_iter().map(|x| x / white).collect())
}
