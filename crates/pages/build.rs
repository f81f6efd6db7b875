//! Builds the folder `web/` with npm, once for each content of it, and writes a table of the files that came out.
//!
//! A crate of its own, so that a change of the pages compiles nothing else anew, and so that no other crate has to wait for
//! npm. Without Node the table is empty and says why; the server then has a page that says how to get the rest.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

/// Folders below `web/` whose content is made, or does not get into the pages.
const NO_SOURCES: [&str; 5] = ["node_modules", "dist", "e2e", "examples", "test"];
/// What was built last, and of which sources: kept beside them, so that all builds of a working copy share it.
const STAMP: &str = ".built";
/// Where files come from that are served, and below which path.
const BUILT: [(&str, &str); 2] = [("app/dist", "/"), ("widget/dist", "/")];
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Why there are no pages, in words for whoever opens the server's address.
type Missing = String;

fn main() -> Result<(), Box<dyn Error>> {
    let web = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../web");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-env-changed=DOORBELL_WEB");
    println!("cargo:rerun-if-changed=build.rs");
    let table = match build(&web) {
        Ok(()) => table(&web, &out)?,
        Err(missing) => {
            println!("cargo:warning=The binary gets no pages: {missing}");
            format!("pub const MISSING: Option<&str> = Some({missing:?});\npub const FILES: &[File] = &[];\n")
        }
    };
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// Leaves the built pages in the `dist` folders.
fn build(web: &Path) -> Result<(), Missing> {
    let sources = sources(web);
    let mut hasher = DefaultHasher::new();
    for source in &sources {
        println!("cargo:rerun-if-changed={}", source.display());
        source.strip_prefix(web).unwrap_or(source).hash(&mut hasher);
        fs::read(source).unwrap_or_default().hash(&mut hasher);
    }
    let wanted = format!("{:016x}", hasher.finish());
    if env::var("DOORBELL_WEB").is_ok_and(|web| web == "skip") {
        return Err("it was built with DOORBELL_WEB=skip. Build it again without that.".to_owned());
    }
    if sources.is_empty() {
        return Err("it was built without the folder web/. Build it from the whole repository.".to_owned());
    }
    let stamp = web.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) && web.join("app/dist/index.html").exists() {
        return Ok(());
    }
    let (major, minor) = OLDEST_NODE;
    let mend = format!("Install Node {major}.{minor} or later, then build it again.");
    match node_version() {
        None => return Err(format!("it was built without Node. {mend}")),
        Some((major, minor)) if (major, minor) < OLDEST_NODE => {
            return Err(format!("it was built with Node {major}.{minor}. {mend}"));
        }
        Some(_) => {}
    }
    if !is_newer(
        &web.join("node_modules/.package-lock.json"),
        &web.join("package-lock.json"),
    ) {
        // Not `npm ci`: it wants the programs for other systems, too, which not every registry has.
        let installed = npm(
            web,
            &["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"],
        );
        installed.map_err(|fault| {
            format!("npm could not install what the pages are made of. Run `npm install` in web/, then build it again. {fault}")
        })?;
    }
    if let Err(fault) = npm(web, &["run", "build"]) {
        // A fault of the sources, which nobody should find out from a server without pages.
        panic!(
            "The pages could not be built; `npm run build` in web/ says why, DOORBELL_WEB=skip builds without them.\n{fault}"
        );
    }
    fs::write(stamp, wanted).map_err(|fault| format!("{STAMP} could not be written in web/ ({fault})."))
}

/// Every file that the pages are made of, in one order everywhere.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.contains(".test.") || NO_SOURCES.contains(&name.as_str()) {
            continue;
        }
        if name == "src" {
            // So that a file that is added is noticed. Not the folders above: Cargo would look at what was built, too.
            println!("cargo:rerun-if-changed={}", path.display());
        }
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(path),
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn node_version() -> Option<(u32, u32)> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let mut numbers = version.trim_start_matches('v').split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

fn is_newer(path: &Path, than: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    matches!((changed(path), changed(than)), (Ok(path), Ok(than)) if path >= than)
}

/// `Err` is what npm said last.
fn npm(web: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(web)
        .output()
        .map_err(|fault| fault.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    Err(lines[lines.len().saturating_sub(40)..].join("\n"))
}

/// The table in Rust's words. The files are copied, since the next build of `web/` overwrites its own.
fn table(web: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    let copies = out.join("files");
    let _ = fs::remove_dir_all(&copies);
    fs::create_dir_all(&copies)?;
    let mut table = String::from("pub const MISSING: Option<&str> = None;\npub const FILES: &[File] = &[\n");
    let mut number = 0;
    for (folder, below) in BUILT {
        let root = web.join(folder);
        for path in files(&root) {
            let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
            if name.ends_with(".gz") || name.ends_with(".br") || name.ends_with(".map") {
                continue;
            }
            number += 1;
            let copy = |path: &Path, ending: &str| -> Result<Option<PathBuf>, Box<dyn Error>> {
                if !path.exists() {
                    return Ok(None);
                }
                let copy = copies.join(format!("{number}{ending}"));
                fs::copy(path, &copy)?;
                Ok(Some(copy))
            };
            let plain = copy(&path, "")?.ok_or("a file that was there is gone")?;
            let gzip = copy(&PathBuf::from(format!("{}.gz", path.display())), ".gz")?;
            let brotli = copy(&PathBuf::from(format!("{}.br", path.display())), ".br")?;
            let mut hasher = DefaultHasher::new();
            fs::read(&path)?.hash(&mut hasher);
            let compressed = |copy: Option<PathBuf>| match copy {
                Some(copy) => format!("Some(include_bytes!({copy:?}))"),
                None => "None".to_owned(),
            };
            writeln!(
                table,
                "    File {{ path: {:?}, tag: \"{:016x}\", plain: include_bytes!({plain:?}), gzip: {}, brotli: {} }},",
                format!("{below}{name}"),
                hasher.finish(),
                compressed(gzip),
                compressed(brotli),
            )?;
        }
    }
    table.push_str("];\n");
    Ok(table)
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = entries(folder).into_iter();
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}
