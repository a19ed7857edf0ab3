//! What a workload can ask about itself, over HTTP at 169.254.169.254.

mod http;
mod token;
mod tree;

use weft_model::UserData;

use self::http::{Method, Response};
pub(crate) use self::http::{Reading, Request};
pub(crate) use self::token::Tokens;
use super::Site;
use crate::time::Now;

/// The tokens' own path.
const TOKEN: &str = "/latest/api/token";
const USER_DATA: &str = "/latest/user-data";

/// Answers a whole request with a whole response.
pub(crate) fn answer(site: &Site<'_>, tokens: &Tokens, now: Now, request: &Request) -> Vec<u8> {
    let path = request.path.as_str();
    let response = match request.method {
        Method::Put if path == TOKEN => give_token(site, tokens, now, request),
        Method::Get | Method::Head if path != TOKEN => {
            if may_read(site, tokens, now, request) {
                read(site, path)
            } else {
                Response::error(401, "Unauthorized")
            }
        }
        _ => Response::error(405, "Method Not Allowed"),
    };
    response.encode(request.method == Method::Head)
}

/// What a request that can't be read is answered.
pub(crate) fn refuse(reading: Reading) -> Vec<u8> {
    let response = match reading {
        Reading::TooLong => Response::error(431, "Request Header Fields Too Large"),
        _ => Response::error(400, "Bad Request"),
    };
    response.encode(false)
}

/// A request that something forwarded gets no token: it may come from anywhere.
fn give_token(site: &Site<'_>, tokens: &Tokens, now: Now, request: &Request) -> Response {
    if request.forwarded {
        return Response::error(403, "Forbidden");
    }
    match request.ttl.filter(|ttl| (1..=token::LONGEST).contains(ttl)) {
        Some(ttl) => {
            let token = tokens.give(site.port.interface, now, ttl);
            Response::text(token).with_ttl(ttl)
        }
        None => Response::error(400, "Bad Request"),
    }
}

fn may_read(site: &Site<'_>, tokens: &Tokens, now: Now, request: &Request) -> bool {
    match &request.token {
        Some(token) => tokens.is_valid(site.port.interface, now, token),
        None => !site.port.options.metadata.tokens_required,
    }
}

fn read(site: &Site<'_>, path: &str) -> Response {
    if path.trim_end_matches('/') == USER_DATA {
        return match &site.port.options.user_data {
            data if data.is_empty() => Response::error(404, "Not Found"),
            data => Response::bytes(UserData::bytes(data).to_vec()),
        };
    }
    match tree::get(site, path) {
        Some(text) => Response::text(text),
        None => Response::error(404, "Not Found"),
    }
}
