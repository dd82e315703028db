//! The sizes that an Arrow file claims, held to what it can hold before memory is taken for them.

use arrow_ipc::{RecordBatch, root_as_footer, root_as_message};

/// The most bytes that one compressed buffer may hold, and the most rows of a batch: what claims more is a decompression bomb.
const MOST: i64 = 1 << 32;

/// The bytes before the footer's own: its length, and the mark of the format.
const TAIL: usize = 10;

/// What is wrong with the sizes of an Arrow file; nothing where the library may read it.
pub(super) fn wrong(bytes: &[u8]) -> Option<&'static str> {
    sizes(bytes).err()
}

fn sizes(bytes: &[u8]) -> Result<(), &'static str> {
    const DAMAGED: &str = "its footer is damaged";
    let tail = bytes.len().checked_sub(TAIL).and_then(|at| bytes.get(at..)).ok_or(DAMAGED)?;
    let length = tail.first_chunk::<4>().map(|b| i32::from_le_bytes(*b)).ok_or(DAMAGED)?;
    let length = usize::try_from(length).map_err(|_| DAMAGED)?;
    let start = (bytes.len() - TAIL).checked_sub(length).ok_or(DAMAGED)?;
    let footer = bytes.get(start..start + length).and_then(|b| root_as_footer(b).ok()).ok_or(DAMAGED)?;
    let blocks = footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten());
    for block in blocks {
        let size = |v: i64| usize::try_from(v).map_err(|_| DAMAGED);
        let (offset, head, body) = (size(block.offset())?, block.metaDataLength(), size(block.bodyLength())?);
        let head = size(i64::from(head))?;
        let middle = offset.checked_add(head).ok_or(DAMAGED)?;
        let end = middle.checked_add(body).ok_or(DAMAGED)?;
        let (head, body) = (bytes.get(offset..middle).ok_or(DAMAGED)?, bytes.get(middle..end).ok_or(DAMAGED)?);
        // Before a message stand its length, and since version 0.15 four bytes of ones.
        let before = if head.starts_with(&[0xff; 4]) { 8 } else { 4 };
        let message = head.get(before..).and_then(|b| root_as_message(b).ok()).ok_or(DAMAGED)?;
        if let Some(batch) = message.header_as_record_batch() {
            held(batch, body)?;
        }
        if let Some(batch) = message.header_as_dictionary_batch().and_then(|d| d.data()) {
            held(batch, body)?;
        }
    }
    Ok(())
}

/// That the buffers of a batch lie in its body, and say no absurd length of what they are compressed from.
fn held(batch: RecordBatch, body: &[u8]) -> Result<(), &'static str> {
    const DAMAGED: &str = "a batch claims more than the file holds";
    let nodes = batch.nodes().into_iter().flatten();
    if !(0..=MOST).contains(&batch.length()) || nodes.into_iter().any(|n| !(0..=MOST).contains(&n.length())) {
        return Err(DAMAGED);
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let place = |v: i64| usize::try_from(v).map_err(|_| DAMAGED);
        let (offset, length) = (place(buffer.offset())?, place(buffer.length())?);
        let end = offset.checked_add(length).ok_or(DAMAGED)?;
        let within = body.get(offset..end).ok_or(DAMAGED)?;
        if batch.compression().is_some() && length > 0 {
            // −1 stands before what is not compressed after all.
            let claimed = within.first_chunk::<8>().map(|b| i64::from_le_bytes(*b)).ok_or(DAMAGED)?;
            if !(-1..=MOST).contains(&claimed) {
                return Err(DAMAGED);
            }
        }
    }
    Ok(())
}
