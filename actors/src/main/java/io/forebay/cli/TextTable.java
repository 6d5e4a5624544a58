package io.forebay.cli;

import java.util.ArrayList;
import java.util.List;

/** Columns for people: the first to the left, numbers to the right. Not thread-safe. */
final class TextTable {
    private final List<List<String>> rows = new ArrayList<>();

    TextTable(String... headings) {
        rows.add(List.of(headings));
    }

    /** Takes one cell for each heading; numbers are grouped. */
    void row(Object... cells) {
        List<String> row = new ArrayList<>(cells.length);
        for (Object cell : cells) {
            row.add(
                    cell instanceof Long || cell instanceof Integer
                            ? String.format(java.util.Locale.ROOT, "%,d", cell)
                            : String.valueOf(cell));
        }
        rows.add(row);
    }

    List<String> lines() {
        int columns = rows.get(0).size();
        int[] widths = new int[columns];
        boolean[] areNumbers = new boolean[columns];
        for (int column = 0; column < columns; column++) {
            areNumbers[column] = rows.size() > 1;
            for (int row = 0; row < rows.size(); row++) {
                String cell = rows.get(row).get(column);
                widths[column] = Math.max(widths[column], cell.length());
                if (row > 0 && !cell.matches("[0-9,.]+( (µs|ms|s|m|h|d))?")) {
                    areNumbers[column] = false;
                }
            }
        }
        List<String> lines = new ArrayList<>(rows.size());
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < columns; column++) {
                String space = " ".repeat(widths[column] - row.get(column).length());
                line.append(column == 0 ? "" : "  ");
                line.append(areNumbers[column] ? space + row.get(column) : row.get(column) + space);
            }
            lines.add(line.toString().stripTrailing());
        }
        return lines;
    }
}
