/*
 * What is between the delimiters of a block: SQL, where braces nest and do not count in what is quoted, or lines of
 * postgresql.conf. The rules are those of runner/src/language/parse/mask.rs.
 */
#include <string.h>

#include "tree_sitter/alloc.h"
#include "tree_sitter/parser.h"

enum Token { SQL, CONF_LINES, DOLLAR_OPEN, DOLLAR_CLOSE };

/* The tag of the dollar-quoted block that is open; PostgreSQL's names have at most 63 bytes. */
#define LONGEST_TAG 63

typedef struct {
    unsigned char length;
    bool is_open;
    int32_t tag[LONGEST_TAG];
} Scanner;

static bool starts_word(int32_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool continues_word(int32_t c) {
    return starts_word(c) || (c >= '0' && c <= '9') || c == '$';
}

static void advance(TSLexer *lexer) {
    lexer->advance(lexer, false);
}

/* The rest of what is quoted, behind its opening quote. */
static bool quoted(TSLexer *lexer, int32_t quote, bool backslashes) {
    while (!lexer->eof(lexer)) {
        int32_t c = lexer->lookahead;
        advance(lexer);
        if (c == '\\' && backslashes) {
            if (lexer->eof(lexer)) return false;
            advance(lexer);
        } else if (c == quote) {
            if (lexer->lookahead != quote) return true;
            advance(lexer);
        }
    }
    return false;
}

/* The rest of a comment, of which there may be others in it. */
static bool block_comment(TSLexer *lexer) {
    int depth = 1;
    while (!lexer->eof(lexer)) {
        int32_t c = lexer->lookahead;
        advance(lexer);
        if (c == '/' && lexer->lookahead == '*') {
            advance(lexer);
            depth++;
        } else if (c == '*' && lexer->lookahead == '/') {
            advance(lexer);
            if (--depth == 0) return true;
        }
    }
    return false;
}

/* The tag of $tag$, behind its first dollar; false where there is none. */
static bool read_tag(TSLexer *lexer, int32_t *tag, unsigned char *length) {
    *length = 0;
    if (lexer->lookahead != '$' && !starts_word(lexer->lookahead)) return false;
    while (lexer->lookahead != '$') {
        if (!continues_word(lexer->lookahead) || *length == LONGEST_TAG) return false;
        tag[(*length)++] = lexer->lookahead;
        advance(lexer);
    }
    advance(lexer);
    return true;
}

/* Behind `$tag$`: to the end of the next one. Where `stops_before`, what is found ends before it. */
static bool to_tag(TSLexer *lexer, const int32_t *tag, unsigned char length, bool stops_before) {
    while (!lexer->eof(lexer)) {
        if (lexer->lookahead != '$') {
            advance(lexer);
            continue;
        }
        if (stops_before) lexer->mark_end(lexer);
        advance(lexer);
        unsigned char matched = 0;
        while (matched < length && lexer->lookahead == tag[matched]) {
            advance(lexer);
            matched++;
        }
        if (matched == length && lexer->lookahead == '$') {
            if (!stops_before) advance(lexer);
            return true;
        }
    }
    return false;
}

static bool sql(TSLexer *lexer) {
    int depth = 1;
    bool has_any = false;
    while (!lexer->eof(lexer)) {
        int32_t c = lexer->lookahead;
        lexer->mark_end(lexer);
        if (c == '}' && --depth == 0) return has_any;
        has_any = true;
        advance(lexer);
        if (c == '{') {
            depth++;
        } else if (c == '\'' || c == '"') {
            if (!quoted(lexer, c, false)) return false;
        } else if (c == '-' && lexer->lookahead == '-') {
            /* In such a comment only closing braces count, as isolationtester has specs that end a block so. */
            while (!lexer->eof(lexer) && lexer->lookahead != '\n') {
                lexer->mark_end(lexer);
                if (lexer->lookahead == '}' && --depth == 0) return true;
                advance(lexer);
            }
        } else if (c == '/' && lexer->lookahead == '*') {
            advance(lexer);
            if (!block_comment(lexer)) return false;
        } else if (c == '$') {
            int32_t tag[LONGEST_TAG];
            unsigned char length;
            if (read_tag(lexer, tag, &length) && !to_tag(lexer, tag, length, false)) return false;
        } else if ((c == 'e' || c == 'E') && lexer->lookahead == '\'') {
            advance(lexer);
            if (!quoted(lexer, '\'', true)) return false;
        } else if (starts_word(c)) {
            while (continues_word(lexer->lookahead)) advance(lexer);
        }
    }
    return false;
}

static bool conf_lines(TSLexer *lexer) {
    bool in_string = false, has_any = false;
    while (!lexer->eof(lexer)) {
        int32_t c = lexer->lookahead;
        lexer->mark_end(lexer);
        if (c == '}' && !in_string) return has_any;
        has_any = true;
        if (c == '\'') {
            in_string = !in_string;
        } else if (c == '\n') {
            in_string = false;
        } else if (c == '#' && !in_string) {
            while (!lexer->eof(lexer) && lexer->lookahead != '\n') advance(lexer);
            continue;
        }
        advance(lexer);
    }
    return false;
}

void *tree_sitter_mcspec_external_scanner_create(void) {
    return ts_calloc(1, sizeof(Scanner));
}

void tree_sitter_mcspec_external_scanner_destroy(void *payload) {
    ts_free(payload);
}

unsigned tree_sitter_mcspec_external_scanner_serialize(void *payload, char *buffer) {
    Scanner *scanner = payload;
    if (!scanner->is_open) return 0;
    buffer[0] = (char)scanner->length;
    memcpy(buffer + 1, scanner->tag, scanner->length * sizeof(int32_t));
    return 1 + scanner->length * (unsigned)sizeof(int32_t);
}

void tree_sitter_mcspec_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
    Scanner *scanner = payload;
    memset(scanner, 0, sizeof(Scanner));
    if (length == 0) return;
    scanner->is_open = true;
    scanner->length = (unsigned char)buffer[0];
    memcpy(scanner->tag, buffer + 1, scanner->length * sizeof(int32_t));
}

bool tree_sitter_mcspec_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
    Scanner *scanner = payload;
    /* While an error is mended all of them are valid, and none can be told from the others. */
    if (valid[DOLLAR_OPEN] && valid[DOLLAR_CLOSE]) return false;
    if (scanner->is_open) {
        if (valid[DOLLAR_CLOSE] && lexer->lookahead == '$') {
            /* The end, or a dollar that the block begins with. */
            advance(lexer);
            unsigned char matched = 0;
            while (matched < scanner->length && lexer->lookahead == scanner->tag[matched]) {
                advance(lexer);
                matched++;
            }
            if (matched == scanner->length && lexer->lookahead == '$') {
                advance(lexer);
                lexer->mark_end(lexer);
                scanner->is_open = false;
                lexer->result_symbol = DOLLAR_CLOSE;
                return true;
            }
        }
        lexer->result_symbol = SQL;
        return valid[SQL] && to_tag(lexer, scanner->tag, scanner->length, true);
    }
    if (valid[SQL]) {
        lexer->result_symbol = SQL;
        return sql(lexer);
    }
    if (valid[CONF_LINES]) {
        lexer->result_symbol = CONF_LINES;
        return conf_lines(lexer);
    }
    if (valid[DOLLAR_OPEN]) {
        while (lexer->lookahead == ' ' || lexer->lookahead == '\t' || lexer->lookahead == '\r' || lexer->lookahead == '\n' ||
               lexer->lookahead == '\v' || lexer->lookahead == '\f') {
            lexer->advance(lexer, true);
        }
        if (lexer->lookahead != '$') return false;
        advance(lexer);
        if (!read_tag(lexer, scanner->tag, &scanner->length)) return false;
        lexer->mark_end(lexer);
        scanner->is_open = true;
        lexer->result_symbol = DOLLAR_OPEN;
        return true;
    }
    return false;
}
