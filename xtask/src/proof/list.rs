//! The claims as Markdown, without figures: what the documentation links to, kept in `xtask/PROOF.md`.

use super::claims::{CLAIMS, Claim};

/// The page.
pub fn markdown() -> String {
    let claims: String = CLAIMS.iter().map(section).collect();
    format!(
        "# What is claimed, and what shows it\n\n\
         `cargo xtask proof` runs these commands and writes the same list with today's figures to `target/proof/index.html`\n\
         (`--quick` leaves out those that take minutes, `--json FILE` is for machines). This page is what\n\
         `cargo xtask proof --list` prints.\n{claims}"
    )
}

fn section(claim: &Claim) -> String {
    let long = if claim.is_long { " Takes minutes." } else { "" };
    let here = if claim.here_only { " Linux on x86-64 only." } else { "" };
    format!(
        "\n<a id=\"{}\"></a>\n\n### {}\n\nEvidence: {}.{long}{here}\n\n```console\n{}\n```\n",
        claim.id,
        claim.claim,
        claim.evidence,
        claim.shown()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;
    use std::path::{Path, PathBuf};

    fn root() -> PathBuf {
        Workspace::find().expect("cargo runs").root
    }

    /// What the documentation links to, with the file that does.
    fn links() -> Vec<(String, PathBuf)> {
        let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
        let root = root();
        let mut files = vec![root.join("README.md")];
        for folder in ["detalloc/src", "detalloc-audio/src"] {
            let entries = std::fs::read_dir(root.join(folder)).expect("a folder");
            files.extend(entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()));
        }
        let mut links = Vec::new();
        for file in files {
            for link in read(&file).split("PROOF.md#").skip(1) {
                let id = link.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next();
                links.push((id.unwrap_or_default().to_owned(), file.clone()));
            }
        }
        links
    }

    #[test]
    fn the_page_in_the_repository_is_this_one() {
        let kept = std::fs::read_to_string(root().join("xtask/PROOF.md")).expect("a file");
        assert_eq!(kept, markdown(), "write it again: cargo xtask proof --list > xtask/PROOF.md");
    }

    #[test]
    fn every_link_of_the_documentation_leads_to_a_claim() {
        for (id, file) in links() {
            assert!(CLAIMS.iter().any(|claim| claim.id == id), "{}: {id}", file.display());
        }
    }

    #[test]
    fn the_documentation_links_to_every_claim() {
        let links = links();
        for claim in CLAIMS {
            assert!(links.iter().any(|(id, _)| id == claim.id), "{}", claim.id);
        }
    }

    #[test]
    fn no_two_claims_share_a_link() {
        for (number, claim) in CLAIMS.iter().enumerate() {
            assert!(CLAIMS[..number].iter().all(|other| other.id != claim.id), "{}", claim.id);
        }
    }
}
