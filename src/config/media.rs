//! Where uploaded files lie, as the settings name it.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::{
    ConfigFault,
    sources::Found,
    told,
    values::{self, Wrong, wrong},
};

/// `DOORBELL_MEDIA_URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaUrl {
    /// `file://path`.
    Folder(PathBuf),
    /// `s3://bucket/prefix`; the prefix without slashes at its ends, and empty for the bucket's top.
    Bucket { name: String, prefix: String },
}

impl fmt::Display for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MediaUrl::Folder(path) => write!(f, "file://{}", path.display()),
            MediaUrl::Bucket { name, prefix } if prefix.is_empty() => write!(f, "s3://{name}"),
            MediaUrl::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

/// `file://path` or `s3://bucket/prefix`.
pub fn media_url(text: &str) -> Result<MediaUrl, Wrong> {
    const MEND: &str =
        "write file://doorbell-data/media (relative), file:///var/lib/doorbell/media (absolute) or s3://bucket/prefix";
    match text.trim().split_once("://") {
        Some(("file", path)) if !path.is_empty() => Ok(MediaUrl::Folder(path.into())),
        Some(("file", _)) => wrong("names no folder", MEND),
        Some(("s3", rest)) => {
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_matches('/');
            if !is_bucket(name) {
                return wrong(
                    "names no bucket (3 to 63 small letters, digits, dots and hyphens; keys stand in AWS_ACCESS_KEY_ID and \
                     AWS_SECRET_ACCESS_KEY, another server's address in AWS_ENDPOINT_URL)",
                    MEND,
                );
            }
            if !is_prefix(prefix) {
                return wrong(
                    "has a prefix with other characters than letters, digits and - _ . /",
                    MEND,
                );
            }
            Ok(MediaUrl::Bucket {
                name: name.to_owned(),
                prefix: prefix.to_owned(),
            })
        }
        _ => wrong("is not a media URL", MEND),
    }
}

fn is_bucket(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
}

fn is_prefix(prefix: &str) -> bool {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    prefix.is_empty() || (prefix.len() <= 500 && prefix.split('/').all(is_part))
}

/// Where the buckets are, and who gives out keys for them, as the usual variables of S3 clients name it.
const SERVERS: [&str; 5] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL_STS",
    "AWS_METADATA_ENDPOINT",
];

/// A server's address with which no request could be made is refused like one of our own settings. An empty one is none.
pub(super) fn judge_servers(environment: &BTreeMap<String, String>) -> Result<(), ConfigFault> {
    for name in SERVERS {
        let Some(text) = environment.get(name).filter(|text| !text.trim().is_empty()) else {
            continue;
        };
        let judged = values::base_url(text).map_err(|wrong| Wrong {
            mend: "write https://s3.example.com or http://10.0.0.5:9000, or leave it out for Amazon's; keys stand in \
                   AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .into(),
            ..wrong
        });
        judged.map_err(|wrong| told(name, text, false, wrong))?;
    }
    Ok(())
}

/// Does every node see the files of every other?
pub(super) fn is_seen_by_all(media: &MediaUrl, is_shared: bool) -> bool {
    is_shared || !matches!(media, MediaUrl::Folder(_))
}

/// Several nodes must see each other's files.
pub(super) fn must_be_shared(
    media: &MediaUrl,
    is_shared: bool,
    node_url: Option<&(String, Found)>,
) -> Result<(), ConfigFault> {
    match node_url {
        Some((_, found)) if !is_seen_by_all(media, is_shared) => Err(ConfigFault::new(format!(
            "{} is {:?}, so this is one of several nodes, but the files lie in {media}, which another node may not see; set \
             DOORBELL_MEDIA_URL to s3://bucket/prefix, or DOORBELL_MEDIA_SHARED to on where that folder is one and the same \
             for all nodes.",
            found.name, found.text
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_a_bucket_are_understood() {
        let bucket = |name: &str, prefix: &str| MediaUrl::Bucket {
            name: name.into(),
            prefix: prefix.into(),
        };
        for (text, meant) in [
            ("file:///srv/media", MediaUrl::Folder("/srv/media".into())),
            ("file://media", MediaUrl::Folder("media".into())),
            ("s3://photos", bucket("photos", "")),
            ("s3://photos/", bucket("photos", "")),
            (" s3://photos.example-1/a/b_c/ ", bucket("photos.example-1", "a/b_c")),
        ] {
            assert_eq!(media_url(text).unwrap(), meant, "{text}");
            assert_eq!(media_url(&meant.to_string()).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_the_form_that_would_do() {
        for text in [
            "",
            "/srv/media",
            "file://",
            "s3://",
            "s3:///prefix",
            "s3://ab",
            "s3://Photos",
            "s3://key:secret@photos/prefix",
            "s3://photos/../other",
            "s3://photos/a//b",
            "s3://photos/a b",
            "s3://-photos",
            "gs://photos",
            "https://photos.s3.amazonaws.com",
        ] {
            let refused = media_url(text).unwrap_err();
            assert!(refused.mend.contains("s3://bucket/prefix"), "{text}");
        }
    }
}
