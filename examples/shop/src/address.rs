//! Where a service listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tonic::transport::{Endpoint, Uri};

/// The address of a service, as `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Uri);

/// A text that is no [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address looks like `http://127.0.0.1:50051`")]
pub struct AddressError;

impl Address {
    /// How a caller connects to it.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from(self.0.clone()).connect_timeout(Duration::from_secs(1))
    }

    /// Where a process reaches the server that it bound to this socket itself.
    ///
    /// # Errors
    /// Never for a socket that is bound.
    pub fn of_own_server(mut socket: SocketAddr) -> Result<Self, AddressError> {
        if socket.ip().is_unspecified() {
            socket.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        format!("http://{socket}").parse()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError)?;
        if uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none() {
            Ok(Self(uri))
        } else {
            Err(AddressError)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError};

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in [
            "http://127.0.0.1:50051",
            "http://[::1]:50051",
            "http://orders",
        ] {
            assert_eq!(
                text.parse::<Address>().map(|address| address.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_nobody_can_connect_to_is_no_address() {
        for text in [
            "",
            "orders",
            "127.0.0.1:50051",
            "https://orders",
            "http://orders/v1",
            "http://orders?v=1",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text:?}");
        }
    }

    #[test]
    fn a_server_on_all_interfaces_is_reached_over_the_loopback() {
        let socket = "0.0.0.0:50051".parse().expect("a socket address");
        let address = Address::of_own_server(socket).map(|address| address.to_string());
        assert_eq!(address, Ok("http://127.0.0.1:50051".to_owned()));
    }
}
