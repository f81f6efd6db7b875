//! The pages of the folder `web/`, as files in the binary. How they are built: `build.rs`. How they are served is not known
//! here.

/// A file, with what `web/compress.mjs` made of it.
pub struct File {
    /// Below which it is served: `/assets/index-BkY1.js`.
    pub path: &'static str,
    /// Changes when its content does; 16 hexadecimal digits.
    pub tag: &'static str,
    pub plain: &'static [u8],
    /// `None` where it is no smaller.
    pub gzip: Option<&'static [u8]>,
    pub brotli: Option<&'static [u8]>,
}

// `MISSING`: a sentence that says why there are no pages, where that is so. `FILES`: all of them.
include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The file at this path.
pub fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}
