//! Values of any type: PostgreSQL's own by a table, others by what the server takes for one.

use std::collections::BTreeMap;

use super::catalog::Type;
use super::harvest::Harvest;
use super::literals::{self, TEXTS, quoted};
use super::trial::Trial;

/// How many values of a type are looked for.
const KEPT: usize = 3;

/// Values that are known by now.
#[derive(Debug)]
pub struct Values<'h> {
    harvest: &'h Harvest,
    /// By the OID of the type.
    known: BTreeMap<String, Vec<String>>,
}

/// What the catalog says of a type.
struct Kind {
    /// `typtype`
    letter: String,
    /// The element of an array, what a domain is made from, or the subtype of a range.
    inner: Option<Type>,
    /// Labels of an enum.
    labels: Vec<String>,
    /// What a composite type is made from.
    attributes: Vec<Type>,
}

impl<'h> Values<'h> {
    /// Those that can be found with the literals of somebody's SQL.
    pub fn new(harvest: &'h Harvest) -> Self {
        Values { harvest, known: BTreeMap::new() }
    }

    /// Values of a type, as expressions, the best first; nothing where none is known.
    pub fn of(&mut self, trial: &mut Trial, wanted: &Type) -> Vec<String> {
        if let Some(known) = self.known.get(&wanted.oid) {
            return known.clone();
        }
        // One that is made from itself has none.
        self.known.insert(wanted.oid.clone(), Vec::new());
        let own = literals::of(&wanted.name);
        let found: Vec<String> = match own.is_empty() {
            false => own.iter().map(|&value| value.to_owned()).collect(),
            true => {
                let tries = self.tries(trial, wanted);
                let statements: Vec<Vec<String>> = tries.iter().map(|value| vec![format!("SELECT {value}")]).collect();
                let (working, _) = trial.those_that_work(&statements, KEPT);
                working.into_iter().map(|(position, _)| tries[position].clone()).collect()
            }
        };
        self.known.insert(wanted.oid.clone(), found.clone());
        found
    }

    /// A value that was found otherwise: what a function returns. Whether it is the first one.
    pub(super) fn learn(&mut self, of: &Type, value: &str) -> bool {
        if !literals::of(&of.name).is_empty() {
            return false;
        }
        let known = self.known.entry(of.oid.clone()).or_default();
        let is_first = known.is_empty();
        if is_first {
            known.push(value.to_owned());
        }
        is_first
    }

    /// What may be a value.
    fn tries(&mut self, trial: &mut Trial, wanted: &Type) -> Vec<String> {
        let Some(kind) = kind(trial, wanted) else { return Vec::new() };
        let name = &wanted.name;
        let cast = |value: &String| format!("{value}::{name}");
        let texts = || {
            let harvested = self.harvest.texts(name.rsplit('.').next().unwrap_or(name)).into_iter();
            harvested.chain(TEXTS.iter().copied()).map(|text| format!("{}::{name}", quoted(text))).collect::<Vec<_>>()
        };
        match (kind.letter.as_str(), &kind.inner) {
            ("e", _) => kind.labels.iter().map(|label| format!("{}::{name}", quoted(label))).collect(),
            ("c", _) => {
                let values: Vec<Vec<String>> = kind.attributes.iter().map(|one| self.of(trial, one)).collect();
                let first: Option<Vec<&str>> = values.iter().map(|values| values.first().map(String::as_str)).collect();
                first.map(|first| format!("ROW({})::{name}", first.join(", "))).into_iter().collect()
            }
            ("d", Some(base)) => {
                let others = texts();
                let mut tries: Vec<String> = self.of(trial, base).iter().map(cast).collect();
                tries.extend(others);
                tries
            }
            ("r", Some(subtype)) => {
                let values = self.of(trial, subtype);
                let bound = |at: usize| values.get(at).map_or("NULL", String::as_str);
                vec![
                    format!("{name}({}, {})", bound(0), bound(1)),
                    format!("{name}({}, {})", bound(1), bound(0)),
                    format!("{name}({}, NULL)", bound(0)),
                ]
            }
            ("b", Some(element)) => {
                let values = self.of(trial, element);
                match values.is_empty() {
                    true => Vec::new(),
                    false => {
                        vec![format!("ARRAY[{}]::{name}", values.join(", ")), format!("ARRAY[{}]::{name}", values[0])]
                    }
                }
            }
            _ => texts(),
        }
    }
}

/// Asks the catalog.
fn kind(trial: &mut Trial, wanted: &Type) -> Option<Kind> {
    let sql = "SELECT t.typtype::text, i.oid::text, pg_catalog.format_type(i.oid, NULL),
                      ARRAY(SELECT enumlabel::text FROM pg_catalog.pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
                      ARRAY(SELECT a.atttypid::text FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
                      ARRAY(SELECT pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
                 FROM pg_catalog.pg_type t
                      LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
                      LEFT JOIN pg_catalog.pg_type i
                        ON i.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typtype = 'r' THEN r.rngsubtype
                                        WHEN t.typcategory = 'A' THEN t.typelem END
                WHERE t.oid = $1::pg_catalog.oid";
    let sql = sql.replace("$1::pg_catalog.oid", "$1::text::pg_catalog.oid");
    let rows = trial.query(&sql, &wanted.oid).ok()?;
    let row = rows.first()?;
    let inner: Option<String> = row.get(1);
    let (oids, names): (Vec<String>, Vec<String>) = (row.get(4), row.get(5));
    Some(Kind {
        letter: row.get(0),
        inner: inner.map(|oid| Type { oid, name: row.get(2) }),
        labels: row.get(3),
        attributes: oids.into_iter().zip(names).map(|(oid, name)| Type { oid, name }).collect(),
    })
}
