//! Where the pages of the binary are: the application's paths, and the files that it is made of.

use axum::{Router, body::Body, extract::Request, routing::get};
use bytes::Bytes;
use doorbell_pages::{MISSING, file};
use http::{HeaderMap, Method, Response, StatusCode, header};

use crate::{model::limits::URL_CHARS, transport::web};

/// The paths of the application (contracts §8). It finds out in the browser which of them it was opened at.
const PATHS: [&str; 5] = ["/", "/listing/{id}", "/messages", "/messages/{id}", "/dashboard"];
/// Below these no page is ever looked for: what asks there is a program, and is answered in JSON.
const PROGRAMS: [&str; 6] = ["/api", "/v1", "/chat", "/media", "/demo", "/socket.io"];
/// What the page says of the server that it comes from, as it was built.
const BUILT_FOR: &str = "data-server=\"serve\"";
/// Beside it, where nobody can be signed in yet: the page then tells whoever runs the server what is missing.
const NO_SIGN_IN: &str = " data-sign-in=\"none\"";
const NO_PAGES: &str = include_str!("no_pages.html");

/// What the pages are shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// Somebody's messages: `doorbell serve`.
    Inbox,
    /// The sample marketplace: `doorbell demo`.
    Marketplace,
}

/// The pages of this server.
#[derive(Clone)]
pub(super) struct Pages {
    page: Bytes,
    /// The origin that links to files begin with.
    files: String,
}

impl Pages {
    /// `base_url`: as links to files begin.
    pub(super) fn new(site: Site, can_sign_in: bool, base_url: &str) -> Self {
        let page = match file("/index.html") {
            Some(index) => {
                let page = String::from_utf8_lossy(index.plain);
                match site {
                    Site::Inbox if can_sign_in => page.into_owned(),
                    Site::Inbox => page.replacen(BUILT_FOR, &format!("{BUILT_FOR}{NO_SIGN_IN}"), 1),
                    Site::Marketplace => page.replacen(BUILT_FOR, "data-server=\"demo\"", 1),
                }
            }
            None => NO_PAGES.replace("{reason}", MISSING.unwrap_or("there are none in it.")),
        };
        let origin = url::Url::parse(base_url).map(|url| url.origin().ascii_serialization());
        Pages {
            page: page.into(),
            files: origin.unwrap_or_default(),
        }
    }

    pub(super) fn router(&self) -> Router {
        PATHS.iter().fold(Router::new(), |router, path| {
            let pages = self.clone();
            router.route(path, get(move |headers: HeaderMap| async move { pages.page(&headers) }))
        })
    }

    fn page(&self, request: &HeaderMap) -> Response<Body> {
        web::page(request, self.page.clone(), &self.files)
    }

    /// A file of the pages, or the page that says that nothing is there, for whoever looks with a browser. `None`: it is no
    /// request for pages.
    pub(super) fn answer(&self, request: &Request) -> Option<Response<Body>> {
        let path = request.uri().path();
        if !matches!(*request.method(), Method::GET | Method::HEAD) || path.len() > URL_CHARS {
            return None;
        }
        // The index is served at the application's paths alone, with the policy of a page.
        if let Some(file) = file(path).filter(|file| file.path != "/index.html") {
            return Some(web::built(request.headers(), file));
        }
        let is_programs = PROGRAMS.iter().any(|prefix| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let accept = request
            .headers()
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        if is_programs || !accept.unwrap_or_default().contains("text/html") {
            return None;
        }
        let mut response = self.page(&HeaderMap::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, path: &str, accept: &str) -> Option<StatusCode> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, accept)
            .body(Body::empty())
            .unwrap();
        let pages = Pages::new(Site::Inbox, true, "http://127.0.0.1:5544");
        pages.answer(&request).map(|response| response.status())
    }

    #[test]
    fn a_path_that_leads_nowhere_is_a_page_for_people_and_json_for_programs() {
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        assert_eq!(asked(Method::GET, "/nowhere", browser), Some(StatusCode::NOT_FOUND));
        assert_eq!(asked(Method::GET, "/chatter", browser), Some(StatusCode::NOT_FOUND));
        for (method, path, accept) in [
            (Method::GET, "/nowhere", "application/json"),
            (Method::GET, "/nowhere", "*/*"),
            (Method::POST, "/nowhere", browser),
            (Method::GET, "/api/nowhere", browser),
            (Method::GET, "/v1", browser),
            (Method::GET, "/chat/1/nowhere", browser),
        ] {
            assert_eq!(asked(method, path, accept), None, "{path} {accept}");
        }
    }
}
