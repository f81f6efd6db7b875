//! `docs/openapi.json` against the routes that there are, and against what a running server answers.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use doorbell::{contracts, model::Code};
use serde_json::{Value, json};

/// Routes without a caller: operators', the front page, files by their links, and the demo's.
const OTHER_ROUTES: [&str; 12] = [
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /",
    "GET /media/{id}/{variant}",
    "GET /api/demo/users",
    "GET /api/demo/listings",
    "GET /api/demo/listings/{id}",
    "GET /api/demo/session",
    "POST /api/demo/sign-in",
    "POST /api/demo/sign-out",
];

const API_KEY: &str = "an-api-key-for-tests-alone-0123456789";

fn document() -> Value {
    serde_json::from_str(include_str!("../docs/openapi.json")).expect("docs/openapi.json is JSON")
}

/// Every described operation: `METHOD /path`, and the operation.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").iter();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    operations.collect()
}

#[test]
fn every_route_is_described_and_every_described_route_is_there() {
    let document = document();
    let described: BTreeSet<String> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let served = contracts::routes()
        .into_iter()
        .chain(contracts::tus::routes())
        .map(|route| format!("{} {}", route.method, route.path));
    let served: BTreeSet<String> = served.chain(OTHER_ROUTES.map(str::to_owned)).collect();
    assert_eq!(described, served);
}

#[test]
fn every_error_code_is_described_with_its_status() {
    let document = document();
    for code in Code::ALL {
        assert!(
            document["components"]["responses"][code.as_str()].is_object(),
            "{} is described",
            code.as_str()
        );
    }
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let Some(reference) = response["$ref"].as_str() else {
                continue;
            };
            let code = reference.rsplit('/').next().expect("a name");
            let code = Code::ALL
                .into_iter()
                .find(|known| known.as_str() == code)
                .expect("a known code");
            assert_eq!(code.status().to_string(), *status, "{name}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_names_are_unique() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in &found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for (kind, named) in document["components"].as_object().expect("components") {
        for name in named
            .as_object()
            .expect("named")
            .keys()
            .filter(|_| kind != "securitySchemes")
        {
            let reference = format!("#/components/{kind}/{name}");
            // NOT used by any operation yet, but part of the table of codes.
            assert!(
                found.contains(&reference) || kind == "responses",
                "{reference} is used nowhere"
            );
        }
    }
    let ids: Vec<_> = operations(&document)
        .iter()
        .map(|(_, operation)| operation["operationId"].to_string())
        .collect();
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        ids.len(),
        "an operationId stands twice"
    );
}

#[test]
fn what_a_running_server_answers_fits_the_description() {
    let server = Server::start("serve");
    let host = format!("X-API-Key: {API_KEY}");
    for (id, name) in [("ann", "Ann"), ("bo", "Bo"), ("cy", "Cy")] {
        let entry = json!({ "name": name, "email": format!("{id}@example.com"), "role": "renter" });
        server.call("PUT", "/v1/users/{id}", &[("id", id)], &host, Some(entry), 200);
    }
    let flat = json!({ "title": "A flat", "price": 900, "ownerId": "bo" });
    server.call("PUT", "/v1/listings/{id}", &[("id", "flat")], &host, Some(flat), 200);
    let token = |id: &str| {
        let answer = server.call(
            "POST",
            "/api/auth/socket-token",
            &[],
            &host,
            Some(json!({ "userId": id })),
            200,
        );
        format!("Authorization: Bearer {}", answer["token"].as_str().expect("a token"))
    };
    let (ann, bo) = (token("ann"), token("bo"));
    let refused = server.call("POST", "/api/auth/socket-token", &[], &ann, Some(json!({})), 403);
    assert_eq!(refused["code"], "FORBIDDEN");

    a_file_goes_in_and_out(&server, &ann);

    // listing-chat, conversations, media-chat
    let about_flat = json!({ "listingId": "flat", "ownerId": "bo" });
    let opened = server.call("POST", "/api/conversations", &[], &ann, Some(about_flat.clone()), 201);
    let flat = opened["conversation"]["id"].as_str().expect("an id").to_owned();
    server.call("POST", "/api/conversations", &[], &ann, Some(about_flat), 200);
    let direct = server.call(
        "POST",
        "/api/conversations",
        &[],
        &ann,
        Some(json!({ "otherUserId": "cy" })),
        201,
    );
    assert!(direct["conversation"]["listing"].is_null());
    let group = json!({ "isGroup": true, "title": "All of us", "participantIds": ["bo"] });
    let group = server.call("POST", "/api/conversations", &[], &ann, Some(group), 201);
    let group = group["conversation"]["id"].as_str().expect("an id").to_owned();
    let keyed = format!("{ann}\r\nIdempotency-Key: one");
    let message = json!({ "conversationId": flat, "text": "Is it free?" });
    server.call("POST", "/api/messages", &[], &keyed, Some(message.clone()), 201);
    server.call("POST", "/api/messages", &[], &keyed, Some(message), 200);
    let other = json!({ "conversationId": flat, "text": "Is it taken?" });
    server.call("POST", "/api/messages", &[], &keyed, Some(other), 409);
    let to_group = json!({ "conversationId": group, "content": "Hello all" });
    server.call("POST", "/api/messages", &[], &ann, Some(to_group), 201);
    server.call(
        "GET",
        &format!("/api/messages?conversationId={flat}"),
        &[],
        &bo,
        None,
        200,
    );
    server.call(
        "GET",
        &format!("/api/messages?conversationId={flat}&limit=0"),
        &[],
        &bo,
        None,
        400,
    );
    server.call(
        "PUT",
        "/api/messages",
        &[],
        &bo,
        Some(json!({ "conversationId": group })),
        200,
    );
    server.call("GET", "/api/conversations", &[], &bo, None, 200);
    server.call("GET", "/api/messages/conversations", &[], &bo, None, 200);
    server.call(
        "POST",
        "/api/comments",
        &[],
        &ann,
        Some(json!({ "postId": "p", "text": "Nice" })),
        201,
    );
    server.call("GET", "/api/comments?postId=p", &[], &bo, None, 200);

    // tenant-chat
    let tenant = json!({ "recipientId": "bo", "content": "A drip", "type": "text" });
    let tenant = server.call("POST", "/api/chat/messages", &[], &ann, Some(tenant), 201);
    let (conversation, message) = (
        tenant["conversationId"].as_str().expect("an id"),
        tenant["_id"].as_str().expect("an id"),
    );
    server.call("GET", "/api/chat/conversations", &[], &bo, None, 200);
    server.call(
        "GET",
        "/api/chat/messages/{conversation_id}",
        &[("conversation_id", conversation)],
        &bo,
        None,
        200,
    );
    server.call(
        "PUT",
        "/api/chat/messages/{message_id}/read",
        &[("message_id", message)],
        &ann,
        None,
        403,
    );
    server.call(
        "PUT",
        "/api/chat/messages/{message_id}/read",
        &[("message_id", message)],
        &bo,
        None,
        200,
    );

    // property-chat
    let chat = json!({ "agentId": "bo", "propertyId": "house" });
    let chat = server.call("POST", "/chat", &[], &ann, Some(chat), 201);
    let chat = chat["id"].as_str().expect("an id");
    server.call(
        "POST",
        "/chat/{id}/messages",
        &[("id", chat)],
        &ann,
        Some(json!({ "content": "Hi" })),
        201,
    );
    server.call("GET", "/chat/{id}/messages", &[("id", chat)], &bo, None, 200);
    server.call("GET", "/chat/{id}/messages", &[("id", "no-such-chat")], &bo, None, 404);
    server.call("GET", "/chat", &[], &bo, None, 200);
    server.call("GET", "/chat", &[], "X-Nobody: yes", None, 401);

    // v1
    server.call(
        "PATCH",
        "/v1/conversations/{id}",
        &[("id", &group)],
        &ann,
        Some(json!({ "title": "Us" })),
        200,
    );
    let cy = json!({ "userId": "cy" });
    server.call(
        "POST",
        "/v1/conversations/{id}/participants",
        &[("id", &group)],
        &ann,
        Some(cy),
        201,
    );
    let leave = [("id", group.as_str()), ("user_id", "cy")];
    server.call(
        "DELETE",
        "/v1/conversations/{id}/participants/{user_id}",
        &leave,
        &ann,
        None,
        204,
    );

    for path in ["/healthz", "/readyz", "/openapi.json"] {
        server.call("GET", path, &[], "Accept: */*", None, 200);
    }
    assert_eq!(server.ask("GET", "/", "Accept: */*", None).0, 200);
    assert_eq!(
        server.ask("GET", "/api/demo/users", "Accept: */*", None).0,
        404,
        "the demo's routes are the demo's"
    );
}

#[test]
fn the_routes_of_the_demo_fit_the_description() {
    let server = Server::start("demo");
    let nobody = "Accept: */*";
    let users = server.call("GET", "/api/demo/users", &[], nobody, None, 200);
    assert_eq!(users["users"].as_array().map(Vec::len), Some(8));
    server.call(
        "POST",
        "/api/demo/sign-in",
        &[],
        nobody,
        Some(json!({ "userId": "mira" })),
        200,
    );
    server.call(
        "POST",
        "/api/demo/sign-in",
        &[],
        nobody,
        Some(json!({ "userId": "nobody" })),
        404,
    );
    server.call(
        "POST",
        "/api/demo/sign-in",
        &[],
        nobody,
        Some(json!({ "user": "mira" })),
        400,
    );
    let foreign = "Origin: https://elsewhere.example";
    let mira = json!({ "userId": "mira" });
    server.call("POST", "/api/demo/sign-in", &[], foreign, Some(mira), 403);
    server.call("POST", "/api/demo/sign-out", &[], foreign, None, 403);
    let (_, head, _) = server.ask("POST", "/api/demo/sign-in", nobody, Some(&json!({ "userId": "bea" })));
    let cookie = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .expect("a cookie");
    for part in [
        "doorbell_session=",
        "Path=/",
        "Max-Age=86400",
        "HttpOnly",
        "SameSite=Lax",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "this is http");
    let (_, head, _) = server.ask(
        "POST",
        "/api/demo/sign-in",
        "X-Forwarded-Proto: https",
        Some(&json!({ "userId": "bea" })),
    );
    assert!(head.contains("; Secure"), "this is https");
    let session = format!("Cookie: {}", cookie.split(';').next().expect("a pair"));
    a_tab_is_somebody_without_the_cookie(&server, &session);
    the_listings_have_their_pictures(&server);
    let list = server.call("GET", "/api/conversations", &[], &session, None, 200);
    let with_listing = list["conversations"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|entry| entry["listing"].is_object());
    let picture = with_listing.expect("a listing")["listing"]["image"]
        .as_str()
        .expect("a picture");
    assert_eq!(server.ask("GET", picture, nobody, None).0, 200, "{picture}");
    for user in users["users"].as_array().expect("a list") {
        assert_eq!(
            server
                .ask("GET", user["image"].as_str().expect("a picture"), nobody, None)
                .0,
            200
        );
        assert!(user["email"].is_null(), "addresses are for their owners");
    }
    for missing in [
        "/demo/people/nobody.svg",
        "/demo/listings/mira.svg",
        "/demo/people/mira",
    ] {
        assert_eq!(server.ask("GET", missing, nobody, None).0, 404, "{missing}");
    }
}

/// `session` is Beatriz's.
fn a_tab_is_somebody_without_the_cookie(server: &Server, session: &str) {
    let nobody = "Accept: */*";
    let user = |headers: &str| server.call("GET", "/api/demo/session", &[], headers, None, 200)["user"]["id"].clone();
    assert_eq!(user(session), "bea");
    assert_eq!(user(nobody), Value::Null);
    let body = json!({ "userId": "tomas", "cookie": false });
    let (status, head, text) = server.ask("POST", "/api/demo/sign-in", nobody, Some(&body));
    assert_eq!(status, 200, "{text}");
    assert!(!head.contains("set-cookie"), "{head}");
    let signed_in: Value = serde_json::from_str(&text).expect("JSON");
    let bearer = format!(
        "Authorization: Bearer {}",
        signed_in["token"].as_str().expect("a token")
    );
    assert_eq!(user(&bearer), "tomas");
    let (_, head, _) = server.ask("POST", "/api/demo/sign-out", nobody, Some(&json!({})));
    assert!(head.contains("doorbell_session=; Path=/; Max-Age=0"), "{head}");
}

fn the_listings_have_their_pictures(server: &Server) {
    let nobody = "Accept: */*";
    let listings = server.call("GET", "/api/demo/listings", &[], nobody, None, 200);
    let listings = listings["listings"].as_array().expect("a list");
    assert_eq!(listings.len(), 12);
    for card in listings {
        let id = card["id"].as_str().expect("an id");
        let listing = server.call("GET", "/api/demo/listings/{id}", &[("id", id)], nobody, None, 200);
        let images = listing["listing"]["images"].as_array().expect("pictures");
        assert!(images.len() >= 3, "{id}");
        for image in images {
            let url = image["url"].as_str().expect("an address");
            assert_eq!(server.ask("GET", url, nobody, None).0, 200, "{url}");
        }
    }
    server.call("GET", "/api/demo/listings/{id}", &[("id", "castle")], nobody, None, 404);
    for missing in ["/demo/listings/castle/plan.svg", "/demo/listings/hill-cabin/plan.svg"] {
        assert_eq!(server.ask("GET", missing, nobody, None).0, 404, "{missing}");
    }
}

/// Uploaded as a form and by tus, and loaded by its link.
fn a_file_goes_in_and_out(server: &Server, ann: &str) {
    let part = |name: &str, content: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"plan.txt\"\r\n\r\n{content}\r\n--b--\r\n"
        )
    };
    let upload = |form: &str| server.ask_with("POST", "/api/upload", ann, "multipart/form-data; boundary=b", form);
    let (status, _, text) = upload(&part("file", "The plan"));
    assert_eq!(status, 201, "{text}");
    let uploaded: Value = serde_json::from_str(&text).expect("JSON");
    server.must_fit(
        &json!({ "$ref": "#/components/schemas/Uploaded" }),
        &uploaded,
        "an upload",
    );
    assert_eq!(upload(&part("file", "<html>")).0, 415);
    assert_eq!(upload(&part("other", "x")).0, 400);

    let link = uploaded["fileUrl"].as_str().expect("a link");
    let link = &link[link.find("/media/").expect("a link of ours")..];
    let (status, head, text) = server.ask("GET", link, "X-Nobody: 1", None);
    assert_eq!((status, text.as_str()), (200, "The plan"));
    assert!(head.contains("\netag: "), "{head}");
    assert_eq!(server.ask("GET", link, "Range: bytes=4-", None).2, "plan");
    assert_eq!(server.ask("GET", link, "Range: bytes=99-", None).0, 416);
    assert_eq!(server.ask("GET", &link[..link.len() - 1], "X-Nobody: 1", None).0, 403);

    let tus = format!("{ann}\r\nTus-Resumable: 1.0.0");
    let (status, head, _) = server.ask("POST", "/v1/uploads", &format!("{tus}\r\nUpload-Length: 8"), None);
    assert_eq!(status, 201, "{head}");
    let place = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .expect("a place");
    let place = &place[place.find("/v1/").expect("a place of ours")..];
    let bytes = |offset: u64, bytes: &str| {
        let headers = format!("{tus}\r\nUpload-Offset: {offset}");
        server.ask_with("PATCH", place, &headers, "application/offset+octet-stream", bytes)
    };
    assert_eq!(bytes(0, "The ").0, 204);
    assert_eq!(bytes(0, "The ").0, 409);
    assert_eq!(server.ask("HEAD", place, ann, None).0, 412);
    let (status, head, _) = bytes(4, "plan");
    assert!(status == 204 && head.contains("\nupload-attachment: "), "{head}");
    assert_eq!(server.ask("DELETE", place, &tus, None).0, 204);
    assert_eq!(server.ask("HEAD", place, &tus, None).0, 404);
}

/// The binary on a folder and port of its own.
struct Server {
    process: Child,
    port: u16,
    document: Value,
    _folder: tempfile::TempDir,
}

impl Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "no runtime is waiting: this is a plain test thread"
    )]
    fn start(command: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|probe| probe.local_addr())
            .expect("a port")
            .port();
        let process = Command::new(env!("CARGO_BIN_EXE_doorbell"))
            .arg(command)
            .current_dir(&folder)
            .env_clear()
            .env("DOORBELL_LISTEN", format!("127.0.0.1:{port}"))
            .env("DOORBELL_API_KEY", API_KEY)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let server = Server {
            process,
            port,
            document: document(),
            _folder: folder,
        };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the server did not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Makes a request by its described path, and holds the answer against the description.
    fn call(
        &self,
        method: &str,
        path: &str,
        parameters: &[(&str, &str)],
        header: &str,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let route = path.split('?').next().expect("a path");
        let operation = &self.document["paths"][route][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {route} is described");
        if let (Some(body), true) = (&body, status < 300) {
            self.must_fit(
                &operation["requestBody"]["content"]["application/json"]["schema"],
                body,
                path,
            );
        }
        let target = parameters.iter().fold(path.to_owned(), |target, (name, value)| {
            target.replace(&format!("{{{name}}}"), value)
        });
        let (answered, head, text) = self.ask(method, &target, header, body.as_ref());
        assert_eq!(answered, status, "{method} {target}: {text}");
        let mut response = &operation["responses"][status.to_string()];
        assert!(response.is_object(), "{method} {route} describes {status}");
        if let Some(reference) = response["$ref"].as_str() {
            response = self.document.pointer(&reference[1..]).expect("a response");
        }
        if status == 200 && response["headers"]["ETag"].is_object() {
            assert!(head.contains("\netag: "), "{method} {target} has an ETag");
        }
        if response["content"].is_null() {
            assert_eq!(text, "", "{method} {target} answers nothing");
            return Value::Null;
        }
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method} {target}: {text}"));
        self.must_fit(&response["content"]["application/json"]["schema"], &answer, &target);
        answer
    }

    fn must_fit(&self, schema: &Value, value: &Value, what: &str) {
        let mut whole = json!({ "components": self.document["components"] });
        for (name, part) in schema.as_object().unwrap_or_else(|| panic!("{what} has a schema")) {
            whole[name] = part.clone();
        }
        let validator = jsonschema::draft202012::new(&whole).expect("a schema");
        let faults: Vec<String> = validator
            .iter_errors(value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{value:#}");
    }

    /// Status, head and body of an answer.
    fn ask(&self, method: &str, target: &str, header: &str, body: Option<&Value>) -> (u16, String, String) {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.ask_with(method, target, header, "application/json", &body)
    }

    fn ask_with(&self, method: &str, target: &str, header: &str, kind: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n{header}\r\n\r\n{body}",
            self.port
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        (status, head.to_owned(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has ended by itself is no fault here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
