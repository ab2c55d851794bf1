//! What is in the image.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use crate::container::{Container, LIMIT};
use crate::image::Image;

#[test]
fn the_image_holds_the_binary_an_empty_folder_for_certificates_and_nothing_else() {
    let root = Image::built().root();
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let inside = path.strip_prefix(root).unwrap().display().to_string();
            found.push((inside, metadata.uid(), metadata.gid(), format!("{:o}", metadata.mode())));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    let of = |path: &str, id: u32, mode: &str| (path.to_owned(), id, id, mode.to_owned());
    assert_eq!(found, [of("certs", 65532, "40700"), of("docquay", 0, "100755")]);
}

#[test]
fn the_image_says_how_it_is_run() {
    let image = Image::built();
    assert_eq!(image.config("User"), "65532:65532");
    assert_eq!(image.words("Entrypoint"), ["/docquay"]);
    for variable in ["DOCQUAY_BIND=[::]", "DOCQUAY_CERTS=/certs"] {
        assert!(image.words("Env").contains(&variable.to_owned()), "{variable}");
    }
    assert_eq!(*image.config("ExposedPorts"), json!({"80/tcp": {}, "443/tcp": {}, "8080/tcp": {}}));
}

#[tokio::test]
async fn it_runs_without_a_privilege_and_serves_its_manual() {
    let port = crate::harness::ports::free();
    let running = Container::new().args(&["--port", &port.to_string()]).start_by_buildah();
    running.wait_for("serving").await;
    assert_eq!(running.status("Uid"), "65532 65532 65532 65532");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(running.status(set), "0000000000000000", "{set}");
    }
    let served = crate::harness::Target::http(([127, 0, 0, 1], port).into()).mcp("tools/list").await;
    assert_eq!(served.unwrap()["tools"][0]["name"], "search");
}

#[tokio::test]
async fn a_container_that_is_told_to_stop_ends_well() {
    let port = crate::harness::ports::free().to_string();
    let running = Container::new().args(&["--port", &port]).start();
    running.wait_for("serving").await;
    running.process.signal(crate::harness::Signal::Terminate);
    assert!(running.process.exit(LIMIT).await.success());
}
