//! A corpus of files that mean harm or are damaged. Each is refused, or what is stored of it holds nothing of the harm.

mod images;
mod videos;

use image::ImageFormat;
use proptest::prelude::*;

use super::{MediaFault, judge_start, samples::*};

enum Verdict {
    /// Not of a type that is taken.
    Unsupported,
    /// Over a limit.
    TooLarge,
    /// Damaged, or cut short.
    Broken,
    /// Taken, and these bytes are gone.
    Without(&'static [u8]),
}
use Verdict::{Broken, TooLarge, Unsupported, Without};

#[track_caller]
fn assert_verdicts(corpus: Vec<(&str, Vec<u8>, Verdict)>) {
    for (name, bytes, verdict) in corpus {
        let judged = judged(&bytes);
        match (&verdict, &judged) {
            (Unsupported, Err(MediaFault::Unsupported(_)))
            | (TooLarge, Err(MediaFault::TooLarge(_)))
            | (Broken, Err(MediaFault::Broken(_))) => {}
            (Without(harm), Ok(inspected)) => {
                assert!(
                    holds(&bytes, harm),
                    "{name}: the harm is not in the file, so nothing is shown"
                );
                let kept = cleaned(&bytes, inspected);
                assert!(!holds(&kept, harm), "{name}: the harm is still there");
                let again = super::inspect_bytes(&kept, &limits());
                let again = again.unwrap_or_else(|fault| panic!("{name}: what is kept is refused: {fault}"));
                assert_eq!(cleaned(&kept, &again), kept, "{name}: what is clean changes again");
            }
            _ => panic!("{name}: {judged:?}"),
        }
    }
}

fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn markup_programs_and_archives_are_refused_whatever_stands_before_them() {
    assert_verdicts(vec![
        (
            "SVG",
            text(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
            Unsupported,
        ),
        ("SVG with a prolog", text(b"<?xml version='1.0'?><svg/>"), Unsupported),
        (
            "SVG behind a byte order mark",
            text(b"\xef\xbb\xbf<?xml version='1.0'?><svg/>"),
            Unsupported,
        ),
        (
            "SVG with a prefix",
            text(b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>"),
            Unsupported,
        ),
        ("SVG behind a comment", text(b"<!-- a drawing --><svg/>"), Unsupported),
        ("SVG in UTF-16", utf16("<svg onload='alert(1)'/>"), Unsupported),
        ("HTML", text(b"<!DOCTYPE html><script>alert(1)</script>"), Unsupported),
        ("HTML in small letters", text(b"<html><body>hello"), Unsupported),
        (
            "HTML behind white space",
            text(b"\r\n\t \x0c<ScRiPt >alert(1)</script>"),
            Unsupported,
        ),
        ("HTML of one tag", text(b"<img src=x onerror=alert(1)>"), Unsupported),
        (
            "HTML that begins with an end",
            text(b"</p><script>alert(1)</script>"),
            Unsupported,
        ),
        ("HTML in UTF-16", utf16("<html>"), Unsupported),
        (
            "HTML in UTF-16 without a mark",
            utf16("<html>")[2..].to_vec(),
            Unsupported,
        ),
        (
            "HTML in UTF-7",
            text(b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-"),
            Unsupported,
        ),
        ("XML", text(b"  <?xml-stylesheet href='x'?><a/>"), Unsupported),
        ("a script", text(b"#!/bin/sh\nrm -rf /\n"), Unsupported),
        ("PostScript", text(b"%!PS-Adobe-3.0\n"), Unsupported),
        ("RTF", text(b"{\\rtf1\\ansi}"), Unsupported),
        ("text with a NUL", text(b"hello\0world"), Unsupported),
        ("text with an escape", text(b"hello \x1b]0;title\x07"), Unsupported),
        ("text with C1 controls", text("hello \u{9b}31m".as_bytes()), Unsupported),
        ("text that is no UTF-8", text(b"caf\xe9 au lait"), Unsupported),
        ("text that ends in half a character", text(b"caf\xc3"), Unsupported),
        (
            "text with a NUL far behind",
            [vec![b'a'; 200_000], vec![0]].concat(),
            Unsupported,
        ),
        (
            "a program for Windows",
            text(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff"),
            Unsupported,
        ),
        ("a program for Linux", text(b"\x7fELF\x02\x01\x01\0"), Unsupported),
        ("an archive", zip(b""), Unsupported),
        (
            "an old office file",
            text(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            Unsupported,
        ),
        ("gzip", text(b"\x1f\x8b\x08\0\0\0\0\0"), Unsupported),
        ("BMP", text(b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0"), Unsupported),
        ("TIFF", text(b"II*\0\x08\0\0\0\0\0"), Unsupported),
        ("ICO", text(b"\0\0\x01\0\x01\0\x10\x10\0\0"), Unsupported),
        ("HEIC", text(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), Unsupported),
        ("AVIF", text(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"), Unsupported),
        (
            "HEIC that also calls itself MP4",
            text(b"\0\0\0\x1cftypisom\0\0\0\0mif1heiciso8"),
            Unsupported,
        ),
        (
            "WAV in the container of WebP",
            text(b"RIFF\x24\0\0\0WAVEfmt "),
            Unsupported,
        ),
        ("Matroska", webm_head(b"matroska"), Unsupported),
        ("nothing", Vec::new(), Broken),
    ]);
}

#[test]
fn a_pdf_is_nothing_else_as_well() {
    let behind = |more: &[u8]| [&pdf(), more].concat();
    let mut page = pdf();
    page.splice(9..9, b"<HTML><script>alert(1)</script>".iter().copied());
    assert_verdicts(vec![
        ("junk before it", [b"junk\x01".as_slice(), &pdf()].concat(), Unsupported),
        ("a page in its first lines", page, Unsupported),
        ("a page behind it", behind(PAYLOAD), Unsupported),
        ("an archive behind it", behind(&zip(b"")), Unsupported),
        (
            "an archive behind it that ends as a PDF",
            behind(&zip(b"\n%%EOF\n")),
            Unsupported,
        ),
        (
            "an archive behind it, with the end of a PDF behind that",
            behind(&[&zip_of_one(), b"\n%%EOF\n".as_slice()].concat()),
            Unsupported,
        ),
        ("no end", pdf()[..40].to_vec(), Broken),
        ("no version", text(b"%PDF-\n%%EOF"), Broken),
        ("its magic alone", text(b"%PDF-"), Broken),
    ]);
    assert!(judged(&pdf()).expect("a PDF").cleaned.is_none());
}

fn valid_files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("JPEG", jpeg(&[])),
        ("PNG", png(&[])),
        ("GIF", gif(3)),
        ("WebP, lossy", fixture("canvas.webp")),
        ("WebP, lossless", encoded(&picture(40, 24), ImageFormat::WebP)),
        ("MP4", Mp4::default().bytes()),
        ("MP4 in fragments", fixture("recorder-h264.mp4")),
        ("WebM", webm(&[], &[])),
        ("WebM of a browser", fixture("recorder-vp8-opus.webm")),
        ("PDF", pdf()),
    ]
}

#[test]
fn a_file_that_was_cut_short_is_refused_wherever_it_was_cut() {
    for (name, bytes) in valid_files() {
        judged(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        for tenth in 0..10 {
            let cut = &bytes[..bytes.len() * tenth / 10];
            // A file in fragments that ends between two of them is one that was stopped there.
            let is_whole =
                matches!(&judged(cut), Ok(inspected) if name.starts_with("MP4 in") && inspected.width.is_some());
            assert!(judged(cut).is_err() || is_whole, "{name}, cut to {tenth} tenths");
        }
        let last = &bytes[..bytes.len() - 2];
        assert!(judged(last).is_err() || name == "PDF", "{name} without its last bytes");
    }
}

#[test]
fn the_first_bytes_tell_which_limit_applies() {
    for (name, bytes) in valid_files() {
        let kind = judged(&bytes).expect(name).media_type.kind();
        assert_eq!(judge_start(&bytes), Some(kind), "{name}");
        assert_eq!(
            judge_start(&bytes[..bytes.len().min(super::START_BYTES)]),
            Some(kind),
            "{name}"
        );
    }
    for bytes in [&b"<svg/>"[..], b"", b"MZ\x90\0", b"\0\0\0\x18ftypheic\0\0\0\0mif1"] {
        assert_eq!(judge_start(bytes), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever becomes of a file on its way, judging it ends in a verdict; and what is kept is taken again as it is.
    #[test]
    fn no_damage_to_a_file_breaks_the_judge(
        which in 0..10_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (_, mut bytes) = valid_files().swap_remove(which);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(inspected) = judged(&bytes) {
            let kept = cleaned(&bytes, &inspected);
            let again = judged(&kept).expect("what was kept is taken");
            prop_assert_eq!(cleaned(&kept, &again), kept);
        }
    }
}
