//! Values to call with: by type, from tables, from what the repository has, from what functions return.

use std::collections::BTreeMap;

use super::boundary::{arrays, mutated, of};
use super::parts::{literal, split};
use super::subject::{Form, Notation, Subject};
use crate::init::catalog::Type;
use crate::init::harvest::Harvest;
use crate::init::literals::{POLYMORPHIC, quoted};
use crate::init::trial::Trial;
use crate::init::values::Values;

/// How many values of a type are kept.
const MOST: usize = 60;

/// How many texts a type's input function is tried with.
const TRIED: usize = 120;

/// How long a text by chance may be, in bytes.
const LONGEST: usize = 400;

/// Values by type.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// By the name of the type, the usual value first.
    values: BTreeMap<String, Vec<String>>,
}

impl Pool {
    /// Values of all types of arguments.
    pub fn of(subjects: &[Subject], trial: &mut Trial, harvest: &Harvest, random: &mut fastrand::Rng) -> Self {
        let mut pool = Pool::default();
        let mut values = Values::new(harvest);
        let types = || subjects.iter().flat_map(|subject| &subject.arguments);
        for one in types() {
            pool.add(one, trial, &mut values, harvest, random);
        }
        // What functions return may be what others take, and is not what anybody writes.
        for subject in subjects {
            let Some(returns) = subject.returns.as_ref().filter(|one| types().any(|taken| taken == *one)) else {
                continue;
            };
            if !of(&returns.name).is_empty() {
                continue;
            }
            let lists: Vec<Vec<String>> = (0..6).filter_map(|_| pool.choose(subject, random)).collect();
            let tries: Vec<Vec<String>> =
                lists.iter().map(|list| vec![format!("SELECT {}", subject.expression(list))]).collect();
            let (working, _) = trial.those_that_work(&tries, 2);
            let known = pool.values.entry(returns.name.clone()).or_default();
            for (position, _) in working {
                let value = subject.expression(&lists[position]);
                if known.len() < MOST && !known.contains(&value) {
                    known.push(value);
                }
            }
        }
        pool
    }

    fn add(
        &mut self,
        wanted: &Type,
        trial: &mut Trial,
        values: &mut Values,
        harvest: &Harvest,
        random: &mut fastrand::Rng,
    ) {
        let name = &wanted.name;
        let is_literal = name.starts_with("literal of ");
        if self.values.contains_key(name) || wanted.oid.is_empty() && !is_literal {
            return;
        }
        let found = if let Some(of) = name.strip_prefix("literal of ") {
            literals(of, harvest, random)
        } else if POLYMORPHIC[0].value(name).is_some() {
            Vec::new()
        } else {
            let mut found = of(name);
            if found.is_empty() {
                found = values.of(trial, wanted);
                let short = name.rsplit('.').next().unwrap_or(name);
                let texts = harvest.texts(short).into_iter().take(TRIED);
                let mut tries: Vec<String> = texts.map(|text| format!("{}::{name}", quoted(text))).collect();
                if let Some(element) = name.strip_suffix("[]") {
                    let elements = of(element);
                    let elements = if elements.is_empty() { self.known(element) } else { elements };
                    tries.splice(0..0, arrays(name, &elements));
                }
                tries.retain(|value| !found.contains(value));
                let sent: Vec<Vec<String>> = tries.iter().map(|value| vec![format!("SELECT {value}")]).collect();
                let (working, _) = trial.those_that_work(&sent, MOST);
                found.extend(working.into_iter().map(|(position, _)| tries[position].clone()));
            }
            found.truncate(MOST);
            found.push(format!("NULL::{name}"));
            found
        };
        self.values.insert(name.clone(), found);
    }

    /// Values of what is no type, as texts that stand in statements.
    pub fn add_special(&mut self, name: &str, values: Vec<String>) {
        self.values.entry(name.to_owned()).or_insert(values);
    }

    /// The values of a type, the usual one first.
    pub fn known(&self, type_name: &str) -> Vec<String> {
        self.values.get(type_name).cloned().unwrap_or_default()
    }

    /// Arguments by chance; none where there is no value of one of their types.
    pub fn choose(&self, subject: &Subject, random: &mut fastrand::Rng) -> Option<Vec<String>> {
        let all = subject.arguments.len();
        let count = if random.bool() { all } else { random.usize(subject.required.min(all)..=all) };
        let polymorphic = &POLYMORPHIC[random.usize(0..POLYMORPHIC.len())];
        let choose = |one: &Type| match polymorphic.value(&one.name) {
            Some(value) => Some(value.to_owned()),
            None => {
                let values = self.values.get(&one.name)?;
                // The usual one is usual.
                let at = if random.u8(0..3) == 0 { 0 } else { random.usize(0..values.len()) };
                values.get(at).cloned()
            }
        };
        subject.arguments[..count].iter().map(choose).collect()
    }

    /// The same arguments but for one of them, by chance: another value, or what a literal becomes by one stroke.
    pub fn changed(&self, subject: &Subject, list: &[String], random: &mut fastrand::Rng) -> Option<Vec<String>> {
        let mut list = list.to_vec();
        let place = random.usize(0..list.len().max(1));
        if let Some((text, behind)) = list.get(place).and_then(|value| literal(value))
            && random.bool()
        {
            let text = mutated(text, random);
            if text.len() <= LONGEST && !text.contains('\0') {
                list[place] = format!("{}{behind}", quoted(&text));
                return Some(list);
            }
        }
        let values = self.values.get(&subject.arguments.get(place)?.name).filter(|values| !values.is_empty())?;
        list.get_mut(place)?.clone_from(&values[random.usize(0..values.len())]);
        Some(list)
    }

    /// The usual arguments, and then each of the others in place of one of them: as many lists as there are.
    pub fn tour(&self, subject: &Subject) -> Vec<Vec<String>> {
        let mut lists: Vec<Vec<String>> = Vec::new();
        let is_polymorphic = subject.arguments.iter().any(|one| POLYMORPHIC[0].value(&one.name).is_some());
        let choices = if is_polymorphic { POLYMORPHIC } else { &POLYMORPHIC[..1] };
        for polymorphic in choices {
            let of = |one: &Type| match polymorphic.value(&one.name) {
                Some(value) => vec![value.to_owned(), format!("NULLIF({value}, {value})")],
                None => self.known(&one.name),
            };
            let values: Vec<Vec<String>> = subject.arguments.iter().map(of).collect();
            let usual: Option<Vec<String>> = values.iter().map(|values| values.first().cloned()).collect();
            let Some(usual) = usual else { return lists };
            let mut add = |list: Vec<String>| {
                if !lists.contains(&list) {
                    lists.push(list);
                }
            };
            add(usual.clone());
            for count in subject.required..usual.len() {
                add(usual[..count].to_vec());
            }
            // All at the same place of their tables first: what goes wrong for nothing goes wrong for nothing else.
            let most = values.iter().map(Vec::len).max().unwrap_or(0);
            for at in 1..most {
                for (place, values) in values.iter().enumerate() {
                    if let Some(value) = values.get(at) {
                        let mut list = usual.clone();
                        list[place].clone_from(value);
                        add(list);
                    }
                }
            }
        }
        lists
    }
}

/// Texts for the input function of a type, good and bad.
fn literals(name: &str, harvest: &Harvest, random: &mut fastrand::Rng) -> Vec<String> {
    let short = name.rsplit('.').next().unwrap_or(name);
    let mut texts: Vec<String> = harvest.texts(short).into_iter().take(MOST).map(str::to_owned).collect();
    texts.extend(crate::init::literals::TEXTS.iter().map(|&text| text.to_owned()));
    texts.dedup();
    let strokes: Vec<String> =
        (0..MOST).map(|_| mutated(&texts[random.usize(0..texts.len().min(20))], random)).collect();
    texts.extend(strokes);
    let is_sent = |text: &String| text.len() <= LONGEST && !text.contains('\0');
    texts.iter().filter(|text| is_sent(text)).map(|text| quoted(text)).collect()
}

/// The arguments with which the extension's own tests call it, by their places.
pub fn given(subject: &Subject, harvest: &Harvest) -> Vec<Vec<String>> {
    if matches!(
        subject.form,
        Form::Expression(Some(Notation::Operator | Notation::Written)) | Form::Statement | Form::Script { .. }
    ) {
        return Vec::new();
    }
    let lists = harvest.calls(subject.name()).iter().map(|(list, _)| split(list));
    lists.filter(|list| (subject.required..=subject.arguments.len()).contains(&list.len())).collect()
}
