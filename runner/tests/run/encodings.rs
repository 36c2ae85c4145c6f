//! What sessions say in other encodings than UTF8.

use super::project::Project;

/// A session that wants Latin 1, as regression tests do that were written for it.
const LATIN1: &str = "\
session s1
step latin  { SET client_encoding = 'LATIN1'; }
step shown  { SELECT U&'gr\\00fcn' AS word, 'plain' AS plain; }
step told   { DO $$ BEGIN RAISE NOTICE '%', U&'gr\\00fcn'; END $$; }
step failed { DO $$ BEGIN RAISE EXCEPTION '%', U&'gr\\00fcn'; END $$; }
step named  { SELECT 1 AS U&\"gr\\00fcn\"; }
step after  { SELECT 'goes on' AS more; }
permutation latin shown told failed named after
";

#[test]
fn sessions_may_speak_another_encoding() {
    let project = Project::new(&[("t/latin1.spec", LATIN1)]);
    let checked = project.run("t/latin1.spec");
    for row in ["+ latin\n", "+ shown\n", "+ told\n", "+ failed ERROR P0001\n", "+ named\n", "+ after\n"] {
        assert!(checked.stdout.contains(row), "{row}: {}{}", checked.stdout, checked.stderr);
    }
    let transcribed = project.run("--transcript t/latin1.spec");
    assert_eq!(transcribed.code, 1, "{}{}", transcribed.stdout, transcribed.stderr);
    let transcript = project.read("results/latin1.out");
    for line in ["|plain\n", "s1: NOTICE:  gr\u{fffd}n\n", "ERROR:  gr\u{fffd}n\n", "goes on\n"] {
        assert!(transcript.contains(line), "{line}: {transcript}");
    }
}
