//! PNG and JPEG files as levels in [0, 1], grey or of three colours.

use std::io::{BufReader, Read, Seek};
use std::path::Path;

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::binary;
use crate::error::{DataError, Kind, Place};
use crate::file;
use crate::whiten::{self, Filter};
use crate::{Channels, Content, Element, Header};

/// Longest side of an image, pixels.
const MAX_SIDE: u32 = 1 << 15;
/// Most pixels of an image: 134 million.
const MAX_PIXELS: u64 = 1 << 27;
/// Most bytes that decoding may take.
const MAX_ALLOCATION: u64 = 2 << 30;
/// The first bytes of every JPEG.
const JPEG_START: [u8; 2] = [0xff, 0xd8];
/// Weights of red, green and blue in luminance, by Rec. 709.
const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];

/// One channel of an image, row-major.
pub(crate) struct Picture {
    pub height: usize,
    pub width: usize,
    pub pixels: Vec<f64>,
}

impl Picture {
    /// Without `border` pixels on every side; the caller has checked that something is left.
    pub(crate) fn crop(&self, border: usize) -> Picture {
        let height = self.height.saturating_sub(2 * border);
        let width = self.width.saturating_sub(2 * border);
        let mut pixels = Vec::with_capacity(height * width);
        for row in 0..height {
            pixels.extend_from_slice(self.segment(row + border, border, width));
        }
        Picture { height, width, pixels }
    }

    /// `length` pixels of a row from `left`; nothing where they reach beyond the image.
    pub(crate) fn segment(&self, row: usize, left: usize, length: usize) -> &[f64] {
        let start = row * self.width + left;
        self.pixels.get(start..start + length).unwrap_or_default()
    }
}

pub(crate) fn header(pattern: &Path, channels: Channels, whitened: bool) -> Result<Header, DataError> {
    let paths = file::expand(pattern)?;
    let mut first: Option<(&Path, (usize, usize))> = None;
    for path in &paths {
        let size = size(path)?;
        let (first_path, first_size) = *first.get_or_insert((path, size));
        if size != first_size {
            return Err(DataError::file(
                Kind::ImageSizes,
                path,
                format!(
                    "this image is {} × {} pixels, and {} is {} × {}",
                    size.0,
                    size.1,
                    first_path.display(),
                    first_size.0,
                    first_size.1
                ),
            )
            .help("`images` reads images of one size; `patches` reads any"));
        }
    }
    let (height, width) = first.map(|(_, size)| size).unwrap_or_default();
    let border = if whitened { whiten::BORDER } else { 0 };
    if height <= 2 * border || width <= 2 * border {
        return Err(too_small(&paths, height, width, border, 1));
    }
    let mut shape = vec![paths.len(), height - 2 * border, width - 2 * border];
    if channels == Channels::Color {
        shape.insert(1, channels.count());
    }
    binary::elements(pattern, &shape)?;
    Ok(Header::new(shape, Element::Real))
}

pub(crate) fn load(pattern: &Path, channels: Channels, whitened: bool) -> Result<Content, DataError> {
    let header = header(pattern, channels, whitened)?;
    let mut values = binary::reserve(pattern, binary::elements(pattern, &header.shape)?)?;
    let mut filter = Filter::default();
    for path in file::expand(pattern)? {
        let mut planes = read(&path, channels)?;
        if whitened {
            planes.iter_mut().for_each(|plane| *plane = filter.apply(plane).crop(whiten::BORDER));
        }
        if whitened && !planes.iter_mut().all(|plane| whiten::standardize(&mut plane.pixels)) {
            return Err(DataError::file(Kind::Constant, &path, "nothing varies in this image")
                .help("`whiten` cannot scale it to standard deviation 1; leave it out"));
        }
        planes.into_iter().for_each(|plane| values.extend(plane.pixels));
    }
    Ok(Content::new(header, values))
}

/// The error for an image in which nothing of side `size` fits.
pub(crate) fn too_small(
    paths: &[impl AsRef<Path>],
    height: usize,
    width: usize,
    border: usize,
    size: usize,
) -> DataError {
    let path = paths.first().map(AsRef::as_ref).unwrap_or(Path::new(""));
    let cropped = match border {
        0 => String::new(),
        _ => format!(" with {border} pixels cut off every side"),
    };
    DataError::file(
        Kind::PatchTooLarge,
        path,
        format!("a patch of {size} × {size} pixels does not fit into an image of {height} × {width}{cropped}"),
    )
    .help("choose smaller patches or leave the image out")
}

/// Height and width, from the image's header.
pub(crate) fn size(path: &Path) -> Result<(usize, usize), DataError> {
    let decoder = decoder(path)?;
    let (width, height) = decoder.dimensions();
    Ok((height as usize, width as usize))
}

/// All pixels of an image, a picture for each channel.
pub(crate) fn read(path: &Path, channels: Channels) -> Result<Vec<Picture>, DataError> {
    let decoder = decoder(path)?;
    check_jpeg_end(path)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|error| image_error(path, &error))?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    let picture = |pixels: Vec<f64>| Picture { height, width, pixels };
    let grey = match &image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLumaA8(_) => {
            Some(image.to_luma8().into_raw().into_iter().map(|x| f64::from(x) / 255.0).collect())
        }
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) => {
            Some(image.to_luma16().into_raw().into_iter().map(|x| f64::from(x) / 65535.0).collect())
        }
        _ => None,
    };
    if let Some(grey) = grey {
        return Ok((0..channels.count()).map(|_| picture(Vec::clone(&grey))).collect());
    }
    let colors: Vec<[f64; 3]> = match image {
        DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgba8(_) => {
            image.to_rgb8().pixels().map(|pixel| pixel.0.map(|x| f64::from(x) / 255.0)).collect()
        }
        _ => image.to_rgb16().pixels().map(|pixel| pixel.0.map(|x| f64::from(x) / 65535.0)).collect(),
    };
    Ok(match channels {
        Channels::Grey => {
            let luminance = |pixel: &[f64; 3]| pixel.iter().zip(LUMINANCE).map(|(x, weight)| x * weight).sum();
            vec![picture(colors.iter().map(luminance).collect())]
        }
        Channels::Color => (0..3).map(|c| picture(colors.iter().filter_map(|p| p.get(c).copied()).collect())).collect(),
    })
}

/// A decoder that has read the header of a PNG or JPEG, after checking that the file can hold what
/// the header announces.
fn decoder(path: &Path) -> Result<impl ImageDecoder, DataError> {
    let (file, length) = file::open(path)?;
    let mut buffer = BufReader::new(file);
    let mut start = [0; 8];
    let got = binary::fill(&mut buffer, &mut start).map_err(|error| DataError::io(path, &error))?;
    buffer.rewind().map_err(|error| DataError::io(path, &error))?;
    let format = start.get(..got).and_then(|bytes| image::guess_format(bytes).ok());
    let Some(format @ (ImageFormat::Png | ImageFormat::Jpeg)) = format else {
        return Err(
            DataError::file(Kind::Format, path, "this is neither a PNG nor a JPEG image").help("convert it to PNG")
        );
    };
    let mut reader = ImageReader::with_format(buffer, format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| image_error(path, &error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(DataError::file(Kind::TooLarge, path, format!("the image announces {width} × {height} pixels"))
            .help("images of up to 134 million pixels are read"));
    }
    let bits = u64::from(decoder.original_color_type().bits_per_pixel());
    binary::check_growth(path, pixels * bits / 8, length)?;
    Ok(decoder)
}

/// Refuses a JPEG that ends before its end marker. The decoder would fill in what is missing.
fn check_jpeg_end(path: &Path) -> Result<(), DataError> {
    let (mut file, _) = file::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| DataError::io(path, &error))?;
    if !bytes.starts_with(&JPEG_START) || ends_as_jpeg(&bytes).is_some() {
        return Ok(());
    }
    Err(DataError::file(Kind::Truncated, path, "the JPEG image ends too early")
        .at(Place::Byte(bytes.len() as u64))
        .help("the file is incomplete; copy or write it again"))
}

/// Walks over the segments of a JPEG (ITU-T T.81, annex B) to its end marker. None where there is
/// none, or where the segments run beyond the file.
fn ends_as_jpeg(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes.get(JPEG_START.len()..)?;
    loop {
        // Entropy-coded data, in which 0xff is followed by 0 or by a restart marker, and padding.
        let at =
            rest.windows(2).position(|pair| matches!(pair, [0xff, code] if !matches!(code, 0 | 0xd0..=0xd7 | 0xff)))?;
        let code = *rest.get(at + 1)?;
        rest = rest.get(at + 2..)?;
        match code {
            0xd9 => return Some(()),
            0x01 | 0xd8 => {}
            _ => {
                let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
                rest = rest.get(length.max(2)..)?;
            }
        }
    }
}

fn image_error(path: &Path, error: &ImageError) -> DataError {
    match error {
        ImageError::IoError(error) => binary::damaged(path, error),
        ImageError::Limits(limits) => {
            let what = match limits.kind() {
                LimitErrorKind::DimensionError => format!("a side of the image is longer than {MAX_SIDE} pixels"),
                _ => "decoding the image takes too much memory".to_owned(),
            };
            DataError::file(Kind::TooLarge, path, what).help("shrink the image, or check that it is not damaged")
        }
        _ => {
            let why = error.to_string();
            let message = format!("the image cannot be decoded: {}", why.trim_end_matches('.'));
            DataError::file(Kind::Format, path, message).help("the file is damaged: copy or write it again")
        }
    }
}
