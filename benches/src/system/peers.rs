//! The peers, each as its own documentation starts it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::{Place, free_port};
use crate::Result;
use crate::process::{Process, command};

/// One worker with kept connections to the origin and nothing buffered: one hop, to see what a hop costs.
pub fn nginx(place: &Place, dir: &Path, origin: SocketAddr, to: &mut SocketAddr) -> Result<Vec<Process>> {
    *to = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let conf = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    client_max_body_size 0; keepalive_requests 100000000;
    upstream origin {{ server {origin}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen {to};
        location / {{
            proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\";
            proxy_buffering off; proxy_request_buffering off;
        }}
    }}
}}
"
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, conf)?;
    let mut command = command(&place.nginx);
    command.arg("-p").arg(dir).args(["-e", "stderr", "-c"]).arg(file);
    Ok(vec![Process::start(&mut command, dir, "nginx")?])
}

/// Its control port is fixed, so each run has a loopback address of its own.
pub fn bore(place: &Place, dir: &Path, origin: SocketAddr, to: &mut SocketAddr) -> Result<Vec<Process>> {
    let port = free_port()?;
    let [a, b] = port.to_be_bytes();
    let address = Ipv4Addr::new(127, 77, a, b);
    *to = SocketAddr::new(IpAddr::V4(address), port);
    let mut server = command(&place.bore);
    server.args(["server", "--bind-addr", &address.to_string()]);
    let mut server = Process::start(&mut server, dir, "bore-server")?;
    server.wait_for("server listening")?;
    let mut local = command(&place.bore);
    local.args(["local", &origin.port().to_string(), "--to", &address.to_string(), "--port", &port.to_string()]);
    let mut local = Process::start(&mut local, dir, "bore-local")?;
    local.wait_for("listening at")?;
    Ok(vec![server, local])
}

pub fn rathole(place: &Place, dir: &Path, origin: SocketAddr, to: &mut SocketAddr) -> Result<Vec<Process>> {
    let control = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    *to = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let configs = [
        (
            "server",
            format!(
                "[server]\nbind_addr = \"{control}\"\ndefault_token = \"bench\"\n[server.services.app]\nbind_addr = \"{to}\"\n"
            ),
        ),
        (
            "client",
            format!(
                "[client]\nremote_addr = \"{control}\"\ndefault_token = \"bench\"\n[client.services.app]\nlocal_addr = \"{origin}\"\n"
            ),
        ),
    ];
    let start = |(side, config): (&str, String)| {
        let file = dir.join(format!("rathole-{side}.toml"));
        fs::write(&file, config)?;
        let mut command = command(&place.rathole);
        command.arg(format!("--{side}")).arg(file);
        Process::start(&mut command, dir, &format!("rathole-{side}"))
    };
    configs.into_iter().map(start).collect()
}
