//! What an extension has, by the catalogs: what depends on it as its member (pg_depend, deptype 'e').

use tokio_postgres::Row;

use super::trial::{Refused, Trial};

/// A function, procedure, aggregate or window function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name, as in the catalog.
    pub name: String,
    /// How it is called: qualified where that is needed.
    pub call: String,
    /// Its name with the types of its arguments, as PostgreSQL shows it.
    pub signature: String,
    /// `f`, `p`, `a` or `w`.
    pub kind: String,
    /// Types of the arguments that go in.
    pub arguments: Vec<Type>,
    /// How many of them may be left out.
    pub defaults: usize,
    /// Whether the last argument is variadic.
    pub is_variadic: bool,
    /// What it returns.
    pub returns: Type,
    /// Whether it returns a set.
    pub returns_set: bool,
    /// Whether it has arguments that go out, which name the columns of a record.
    pub has_out: bool,
    /// Of an ordered-set aggregate: how many arguments are direct. None of others.
    pub direct: Option<usize>,
    /// Whether others of that name are called in the same way.
    pub is_overloaded: bool,
    /// `i`, `s` or `v`.
    pub volatility: String,
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Type {
    /// Its OID.
    pub oid: String,
    /// Its name, as `format_type` has it.
    pub name: String,
}

/// An operator.
#[derive(Debug, Clone)]
pub struct Operator {
    /// How it is written.
    pub call: String,
    /// Its name with the types of its arguments.
    pub signature: String,
    /// On the left, and on the right.
    pub left: Option<Type>,
    /// On the right.
    pub right: Type,
    /// The function that does its work.
    pub function: String,
}

/// A class of operators for an index.
#[derive(Debug, Clone)]
pub struct OperatorClass {
    /// Its name, qualified where that is needed.
    pub name: String,
    /// The access method.
    pub method: String,
    /// What is indexed.
    pub indexed: Type,
    /// Operators that an index of it is searched by.
    pub searches: Vec<Search>,
}

/// An operator that an index is searched by.
#[derive(Debug, Clone)]
pub struct Search {
    /// How it is written.
    pub operator: String,
    /// What it takes on the right.
    pub right: Type,
    /// Whether it orders rows, and does not select them.
    pub orders: bool,
}

/// What an extension has.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// Its version.
    pub version: String,
    /// By name.
    pub functions: Vec<Function>,
    /// By name.
    pub operators: Vec<Operator>,
    /// Base types, enums, domains, ranges and composite types that it has made, without their arrays.
    pub types: Vec<Type>,
    /// By access method and name.
    pub classes: Vec<OperatorClass>,
    /// Names of the libraries of its functions, as they stand in the catalog.
    pub libraries: Vec<String>,
}

/// How a name is written: without its schema where that is in the search path.
const CALLED: &str = "CASE WHEN pg_catalog.pg_function_is_visible(p.oid) THEN pg_catalog.quote_ident(p.proname) \
                      ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname) END";

/// A query for the functions of which a condition is true.
fn functions_of(condition: &str) -> String {
    format!(
        "SELECT p.proname::text, {CALLED}, p.oid::pg_catalog.regprocedure::text, p.prokind::text,
                ARRAY(SELECT t::text FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a(t, i) ORDER BY i),
                ARRAY(SELECT pg_catalog.format_type(t, NULL) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a(t, i) ORDER BY i),
                p.pronargdefaults::int, p.provariadic <> 0, p.prorettype::text, pg_catalog.format_type(p.prorettype, NULL),
                p.proretset, p.proargmodes IS NOT NULL AND p.proargmodes && '{{o,b,t}}'::\"char\"[],
                CASE WHEN a.aggkind IN ('o', 'h') THEN a.aggnumdirectargs::int END,
                (SELECT count(*) > 1 FROM pg_catalog.pg_proc o WHERE o.proname = p.proname), p.probin, p.provolatile::text,
                CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END
           FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid
          WHERE {condition}
          ORDER BY p.proname COLLATE \"C\", p.oid"
    )
}

/// A function, and what makes it.
#[derive(Debug, Clone)]
pub struct Written {
    /// The function.
    pub is: Function,
    /// A statement that makes it, or makes it again.
    pub definition: String,
}

/// The functions in a language that are no members of extensions.
///
/// # Errors
///
/// What the server says.
pub fn in_language(trial: &mut Trial, language: &str) -> Result<Vec<Written>, Refused> {
    let condition = "p.prolang = (SELECT oid FROM pg_catalog.pg_language WHERE pg_catalog.quote_ident(lanname) = $1)
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                                    AND d.objid = p.oid AND d.deptype = 'e')";
    let rows = trial.query(&functions_of(condition), language)?;
    let written = |row: &Row| Written { is: function(row), definition: row.get::<_, String>(16).trim_end().to_owned() };
    Ok(rows.iter().map(written).collect())
}

/// Asks the catalogs of the database that the extension is in.
///
/// # Errors
///
/// What the server says.
pub fn read(trial: &mut Trial, extension: &str) -> Result<Objects, Refused> {
    let member = |class: &str, oid: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON d.refobjid = e.oid WHERE d.classid = \
             'pg_catalog.{class}'::pg_catalog.regclass AND d.objid = {oid} AND d.deptype = 'e' AND d.refclassid = \
             'pg_catalog.pg_extension'::pg_catalog.regclass AND e.extname = $1)"
        )
    };
    let mut ask = |sql: &str| trial.query(sql, extension);
    let version = ask("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = $1")?;
    let functions = ask(&functions_of(&member("pg_proc", "p.oid")))?;
    let operators = ask(&format!(
        "SELECT CASE WHEN pg_catalog.pg_operator_is_visible(o.oid) THEN o.oprname::text
                     ELSE 'OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ')' END,
                o.oid::pg_catalog.regoperator::text, nullif(o.oprleft, 0)::text, pg_catalog.format_type(nullif(o.oprleft, 0), NULL),
                o.oprright::text, pg_catalog.format_type(o.oprright, NULL), o.oprcode::pg_catalog.regprocedure::text
           FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
          WHERE {} AND o.oprcode <> 0
          ORDER BY o.oprname COLLATE \"C\", o.oid",
        member("pg_operator", "o.oid")
    ))?;
    let types = ask(&format!(
        "SELECT t.oid::text, pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.pg_type t
          WHERE {} AND t.typtype <> 'p' AND t.typcategory <> 'A'
          ORDER BY t.typname COLLATE \"C\", t.oid",
        member("pg_type", "t.oid")
    ))?;
    let classes = ask(&format!(
        "SELECT CASE WHEN pg_catalog.pg_opclass_is_visible(c.oid) THEN pg_catalog.quote_ident(c.opcname)
                     ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.opcname) END,
                a.amname::text, c.opcintype::text, pg_catalog.format_type(c.opcintype, NULL), c.oid::text
           FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_namespace n ON n.oid = c.opcnamespace
                JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
          WHERE {}
          ORDER BY a.amname COLLATE \"C\", c.opcname COLLATE \"C\", c.oid",
        member("pg_opclass", "c.oid")
    ))?;
    let searches = ask(&format!(
        "SELECT c.oid::text, CASE WHEN pg_catalog.pg_operator_is_visible(o.oid) THEN o.oprname::text
                     ELSE 'OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ')' END,
                s.amoprighttype::text, pg_catalog.format_type(s.amoprighttype, NULL), s.amoppurpose = 'o'
           FROM pg_catalog.pg_opclass c
                JOIN pg_catalog.pg_amop s ON s.amopfamily = c.opcfamily AND s.amoplefttype = c.opcintype
                JOIN pg_catalog.pg_operator o ON o.oid = s.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
          WHERE {}
          ORDER BY s.amopstrategy, s.oid",
        member("pg_opclass", "c.oid")
    ))?;
    let searches = |class: &str| {
        let own = searches.iter().filter(|row| row.get::<_, &str>(0) == class);
        own.map(|row| Search { operator: row.get(1), right: named(row, 2), orders: row.get(4) }).collect()
    };
    let mut libraries: Vec<String> = functions.iter().filter_map(|row| row.get::<_, Option<String>>(14)).collect();
    libraries.sort();
    libraries.dedup();
    Ok(Objects {
        version: version.first().map_or_else(String::new, |row| row.get(0)),
        functions: functions.iter().map(function).collect(),
        operators: operators.iter().map(operator).collect(),
        types: types.iter().map(|row| named(row, 0)).collect(),
        classes: classes
            .iter()
            .map(|row| OperatorClass {
                name: row.get(0),
                method: row.get(1),
                indexed: named(row, 2),
                searches: searches(row.get(4)),
            })
            .collect(),
        libraries,
    })
}

/// The type in a column and the one behind it.
fn named(row: &Row, at: usize) -> Type {
    Type { oid: row.get(at), name: row.get(at + 1) }
}

fn function(row: &Row) -> Function {
    let (oids, names): (Vec<String>, Vec<String>) = (row.get(4), row.get(5));
    Function {
        name: row.get(0),
        call: row.get(1),
        signature: row.get(2),
        kind: row.get(3),
        arguments: oids.into_iter().zip(names).map(|(oid, name)| Type { oid, name }).collect(),
        defaults: usize::try_from(row.get::<_, i32>(6)).unwrap_or(0),
        is_variadic: row.get(7),
        returns: named(row, 8),
        returns_set: row.get(10),
        has_out: row.get(11),
        direct: row.get::<_, Option<i32>>(12).and_then(|direct| usize::try_from(direct).ok()),
        is_overloaded: row.get(13),
        volatility: row.get(15),
    }
}

fn operator(row: &Row) -> Operator {
    let left: Option<String> = row.get(2);
    Operator {
        call: row.get(0),
        signature: row.get(1),
        left: left.map(|oid| Type { oid, name: row.get(3) }),
        right: named(row, 4),
        function: row.get(6),
    }
}
