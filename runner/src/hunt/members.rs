//! Members of an extension that are no functions, operators or types, and what the catalogs say of its types besides their names.

use crate::init::catalog::Type;
use crate::init::trial::{Refused, Trial};

/// A member type that has an input function.
#[derive(Debug, Clone)]
pub struct Sort {
    /// The type.
    pub is: Type,
    /// `typtype`
    pub letter: String,
    /// Its send function, where it has that and a receive function.
    pub send: Option<String>,
    /// Whether it takes modifiers.
    pub has_modifiers: bool,
    /// Whether its values can be sorted: there is a default class of operators for btree.
    pub is_sorted: bool,
    /// Whether its values can be hashed.
    pub is_hashed: bool,
    /// The name of the type of its arrays.
    pub array: Option<String>,
}

/// A cast.
#[derive(Debug, Clone)]
pub struct Cast {
    /// From which type.
    pub from: Type,
    /// To which.
    pub to: Type,
    /// Whether an assignment is one.
    pub is_assigned: bool,
}

/// A transform: what a language makes of values of a type.
#[derive(Debug, Clone)]
pub struct Transform {
    /// The type.
    pub of: Type,
    /// The language.
    pub language: String,
}

/// What an extension has besides functions, operators, types and classes of operators.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// Its types, looked at closely.
    pub sorts: Vec<Sort>,
    /// Casts.
    pub casts: Vec<Cast>,
    /// Languages.
    pub languages: Vec<String>,
    /// Transforms.
    pub transforms: Vec<Transform>,
    /// Dictionaries, parsers and templates of text search.
    pub dictionaries: Vec<String>,
    /// Parsers.
    pub parsers: Vec<String>,
    /// Templates of dictionaries.
    pub templates: Vec<String>,
    /// Foreign data wrappers.
    pub wrappers: Vec<String>,
    /// Access methods for tables.
    pub table_methods: Vec<String>,
}

/// The condition that an object is a member of the extension.
fn member(catalog: &str, oid: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                  WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e' AND e.extname = $1
                    AND d.classid = 'pg_catalog.{catalog}'::regclass AND d.objid = {oid})"
    )
}

/// Names as they are written, of what of a catalog is a member.
fn names(trial: &mut Trial, extension: &str, catalog: &str, sql: &str, more: &str) -> Result<Vec<String>, Refused> {
    let sql =
        format!("SELECT {sql} FROM pg_catalog.{catalog} o WHERE {}{more} ORDER BY o.oid", member(catalog, "o.oid"));
    Ok(trial.query(&sql, extension)?.iter().map(|row| row.get(0)).collect())
}

/// Reads them in the database of the trial, which has the extension.
///
/// # Errors
///
/// What the server says.
pub fn read(trial: &mut Trial, extension: &str) -> Result<Members, Refused> {
    let has_class = |method: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
                      WHERE a.amname = '{method}' AND c.opcdefault AND c.opcintype = t.oid)"
        )
    };
    let sorts = trial.query(
        &format!(
            "SELECT t.oid::text, pg_catalog.format_type(t.oid, NULL), t.typtype::text,
                    CASE WHEN t.typreceive <> 0 AND t.typsend <> 0 THEN t.typsend::pg_catalog.regproc::text END,
                    t.typmodin <> 0, {}, {}, pg_catalog.format_type(nullif(t.typarray, 0), NULL)
               FROM pg_catalog.pg_type t
              WHERE {} AND t.typtype <> 'p' AND t.typcategory <> 'A' AND t.typisdefined
              ORDER BY t.typname COLLATE \"C\", t.oid",
            has_class("btree"),
            has_class("hash"),
            member("pg_type", "t.oid")
        ),
        extension,
    )?;
    let casts = trial.query(
        &format!(
            "SELECT c.castsource::text, pg_catalog.format_type(c.castsource, NULL), c.casttarget::text,
                    pg_catalog.format_type(c.casttarget, NULL), c.castcontext <> 'e'
               FROM pg_catalog.pg_cast c WHERE {} AND c.castmethod <> 'b' ORDER BY c.oid",
            member("pg_cast", "c.oid")
        ),
        extension,
    )?;
    let transforms = trial.query(
        &format!(
            "SELECT f.trftype::text, pg_catalog.format_type(f.trftype, NULL), pg_catalog.quote_ident(l.lanname)
               FROM pg_catalog.pg_transform f JOIN pg_catalog.pg_language l ON l.oid = f.trflang
              WHERE {} ORDER BY f.oid",
            member("pg_transform", "f.oid")
        ),
        extension,
    )?;
    Ok(Members {
        sorts: sorts
            .iter()
            .map(|row| Sort {
                is: Type { oid: row.get(0), name: row.get(1) },
                letter: row.get(2),
                send: row.get(3),
                has_modifiers: row.get(4),
                is_sorted: row.get(5),
                is_hashed: row.get(6),
                array: row.get(7),
            })
            .collect(),
        casts: casts
            .iter()
            .map(|row| Cast {
                from: Type { oid: row.get(0), name: row.get(1) },
                to: Type { oid: row.get(2), name: row.get(3) },
                is_assigned: row.get(4),
            })
            .collect(),
        transforms: transforms
            .iter()
            .map(|row| Transform { of: Type { oid: row.get(0), name: row.get(1) }, language: row.get(2) })
            .collect(),
        languages: names(trial, extension, "pg_language", "pg_catalog.quote_ident(o.lanname)", "")?,
        dictionaries: names(trial, extension, "pg_ts_dict", "o.oid::pg_catalog.regdictionary::text", "")?,
        parsers: names(trial, extension, "pg_ts_parser", "pg_catalog.quote_ident(o.prsname)", "")?,
        templates: names(
            trial,
            extension,
            "pg_ts_template",
            "(SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_namespace n WHERE n.oid = o.tmplnamespace) || '.' || \
             pg_catalog.quote_ident(o.tmplname)",
            "",
        )?,
        wrappers: names(trial, extension, "pg_foreign_data_wrapper", "pg_catalog.quote_ident(o.fdwname)", "")?,
        table_methods: names(trial, extension, "pg_am", "pg_catalog.quote_ident(o.amname)", " AND o.amtype = 't'")?,
    })
}
