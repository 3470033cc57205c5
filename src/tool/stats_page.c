// Writes the HTML page of `stele stats`. The pictures are SVG inside of the page.
#include <stdio.h>

#include "tool/stats_page.h"

#include "base/escape.h"

typedef unsigned long long ull;

// Measures of a picture, in pixels of its own coordinates.
enum {
    WIDTH = 720,
    LABEL_WIDTH = 150, // of the labels, to the left of the bars
    COUNT_WIDTH = 170, // of the counts, to the right of them
    BAR_WIDTH = WIDTH - LABEL_WIDTH - COUNT_WIDTH,
    ROW_HEIGHT = 22,
    BAR_HEIGHT = 14,
    SPREAD_HEIGHT = 120, // of the picture of the first bytes, without its axis
    AXIS_HEIGHT = 20,
};

static const char head_end[] =
    "</title>\n"
    "<style>\n"
    ":root{color-scheme:light dark;--bar:#2a78b8;--soft:#8888}\n"
    "@media (prefers-color-scheme:dark){:root{--bar:#6ab0e8}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}\n"
    "th{text-align:left;font-weight:normal;padding-right:2rem;opacity:.75}\n"
    "td{font-variant-numeric:tabular-nums}\n"
    "svg{width:100%;height:auto;font-size:13px}svg text{fill:currentColor}\n"
    "rect{fill:var(--bar)}line{stroke:var(--soft)}\n"
    "</style>\n</head>\n<body>\n";

// Appends a text, with the characters escaped that mean something in HTML.
static void append_escaped(const char *text, struct buf *to)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&': buf_append_text(to, "&amp;"); break;
        case '<': buf_append_text(to, "&lt;"); break;
        case '>': buf_append_text(to, "&gt;"); break;
        case '"': buf_append_text(to, "&quot;"); break;
        default: buf_append(to, span_of(text, 1));
        }
}

static void append_facts(const struct data_stats *s, struct buf *to)
{
    struct data_facts facts;
    data_stats_facts(s, &facts);
    buf_append_text(to, "<table>\n");
    for (unsigned i = 0; i < facts.count; i++) {
        buf_append_text(to, "<tr><th scope=\"row\">");
        append_escaped(facts.facts[i].name, to);
        buf_append_text(to, "</th><td>");
        append_escaped(facts.facts[i].text, to);
        buf_append_text(to, "</td></tr>\n");
    }
    buf_append_text(to, "</table>\n");
}

static void append_begin(const char *title, unsigned height, struct buf *to)
{
    buf_printf(to,
               "<h2>%s</h2>\n<svg role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %d %u\" "
               "xmlns=\"http://www.w3.org/2000/svg\">\n",
               title, title, WIDTH, height);
}

// Appends a picture with a horizontal bar for each row.
static void append_bars(const char *title, const struct data_bar *bars, unsigned count,
                        uint64_t total, struct buf *to)
{
    uint64_t most = 1;
    for (unsigned i = 0; i < count; i++)
        most = bars[i].count > most ? bars[i].count : most;
    append_begin(title, count * ROW_HEIGHT, to);
    for (unsigned i = 0; i < count; i++) {
        double width = BAR_WIDTH * (double)bars[i].count / (double)most;
        unsigned top = i * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) / 2;
        unsigned base = top + BAR_HEIGHT - 3;
        buf_printf(to, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">%s</text>", LABEL_WIDTH - 10,
                   base, bars[i].label);
        buf_printf(to, "<rect x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%d\"/>", LABEL_WIDTH, top,
                   width, BAR_HEIGHT);
        buf_printf(to, "<text x=\"%.1f\" y=\"%u\">%llu (%.2f %%)</text>\n", LABEL_WIDTH + width + 8,
                   base, (ull)bars[i].count,
                   100.0 * (double)bars[i].count / (double)(total > 0 ? total : 1));
    }
    buf_append_text(to, "</svg>\n");
}

// Appends a picture with a column for each value of the keys' first byte.
static void append_spread(const struct data_stats *s, struct buf *to)
{
    uint64_t most = 1;
    double step = (double)WIDTH / DATA_STATS_PARTS;
    for (unsigned i = 0; i < DATA_STATS_PARTS; i++)
        most = s->parts[i] > most ? s->parts[i] : most;
    char title[80];
    snprintf(title, sizeof title, "Keys by their first byte, at most %llu for each", (ull)most);
    append_begin(title, SPREAD_HEIGHT + AXIS_HEIGHT, to);
    for (unsigned i = 0; i < DATA_STATS_PARTS; i++) {
        double height = SPREAD_HEIGHT * (double)s->parts[i] / (double)most;
        if (s->parts[i] == 0)
            continue;
        buf_printf(to,
                   "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>%02x: "
                   "%llu</title></rect>\n",
                   i * step, SPREAD_HEIGHT - height, step * 0.9, height, i, (ull)s->parts[i]);
    }
    buf_printf(to, "<line x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", WIDTH, SPREAD_HEIGHT,
               SPREAD_HEIGHT);
    for (unsigned i = 0; i < DATA_STATS_PARTS; i += 32)
        buf_printf(to, "<text x=\"%.1f\" y=\"%d\">%02x</text>\n", i * step,
                   SPREAD_HEIGHT + AXIS_HEIGHT - 4, i);
    buf_append_text(to, "</svg>\n");
}

void stats_page_append(const struct data_stats *s, const char *name, struct buf *to)
{
    char shown[4096];
    struct data_bar bars[DATA_BARS_MAX];
    escape_text(name, shown, sizeof shown);
    buf_append_text(to,
                    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                    "style-src 'unsafe-inline'\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    append_escaped(shown, to);
    buf_append_text(to, head_end);
    buf_append_text(to, "<h1>");
    append_escaped(shown, to);
    buf_append_text(to, "</h1>\n");
    append_facts(s, to);
    if (s->lengths.count > 0) {
        unsigned count = data_stats_length_bars(s, bars);
        append_bars("Lengths of values, in bytes", bars, count, s->lengths.count, to);
        count = data_stats_kind_bars(s, bars);
        append_bars("Kinds of keys", bars, count, s->lengths.count, to);
        append_spread(s, to);
    }
    buf_append_text(to, "</body>\n</html>\n");
}
