package io.forebay.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;
import io.forebay.config.ForebaySettings;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.platform.commons.annotation.Testable;
import org.junit.platform.commons.support.AnnotationSupport;
import org.junit.runner.RunWith;

/**
 * What the pages in the repository point at exists: files, headings, settings, types. What they show as configuration is
 * accepted. None of them speaks of a path that only one machine has.
 */
class DocumentationTest {
    private static final Path ROOT = Path.of(System.getProperty("basedir", ""))
            .toAbsolutePath()
            .normalize()
            .resolve("../..")
            .normalize();

    private static final Pattern LINK = Pattern.compile("\\[[^\\]]*]\\(([^)\\s]+)\\)");
    private static final Pattern CODE = Pattern.compile("`([^`\\n]+)`");
    private static final Pattern BLOCK = Pattern.compile("(?m)^```(\\w*)\\n(.*?)^```", Pattern.DOTALL);
    private static final Pattern HEADING = Pattern.compile("(?m)^#+ +(.+?) *$");
    /** A path in the repository: begins with one of its rooms. */
    private static final Pattern REPOSITORY_PATH =
            Pattern.compile("(?:actors|config|protocol|storage|src-test|docs|\\.ci)(?:/[A-Za-z0-9._-]+)+/?");

    private static final Pattern SETTING = Pattern.compile(
            "forebay\\.(?:node|storage|store|queue|group|topic|session|watch|client|persistence)(?:\\.[a-z-]+)*");
    private static final Pattern TYPE = Pattern.compile("io\\.forebay(?:\\.[a-z]+)+\\.[A-Z][A-Za-z]+");
    /** A test, or one of its methods. */
    private static final Pattern TEST = Pattern.compile("([A-Z][A-Za-z]+Test)(?:#([a-zA-Z]+))?");

    /** Folders that exist on the machine of one author at most. */
    private static final Pattern MACHINE_PATH =
            Pattern.compile("(?<![\\w.~-])/(?:work|root|home|Users|tmp/fb|private|mnt)(?:/|\\b)|\\b[A-Z]:\\\\");

    private static final Pattern PLACEHOLDER = Pattern.compile("(?m)^@[A-Z]+@$|\\b(?:TODO|FIXME|TBD)\\b");

    private static Config reference;

    @BeforeAll
    static void readReference() {
        reference = ConfigFactory.defaultReference();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void namesNoPathOfOneMachine(Path page) throws IOException {
        assertThat(found(MACHINE_PATH, Files.readString(page))).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void nothingIsLeftToBeFilledIn(Path page) throws IOException {
        assertThat(found(PLACEHOLDER, Files.readString(page))).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void linksLeadSomewhere(Path page) throws IOException {
        List<String> broken = new ArrayList<>();
        Matcher link = LINK.matcher(withoutBlocks(Files.readString(page)));
        while (link.find()) {
            String target = link.group(1);
            if (target.matches("[a-z]+:.*")) continue;
            String[] parts = target.split("#", 2);
            Path file =
                    parts[0].isEmpty() ? page : page.resolveSibling(parts[0]).normalize();
            if (!file.startsWith(ROOT) || !Files.exists(file)) {
                broken.add(target);
            } else if (parts.length == 2 && !anchors(file).contains(parts[1])) {
                broken.add(target + " (no such heading)");
            }
        }
        assertThat(broken).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void filesThatAreNamedExist(Path page) throws IOException {
        List<String> missing = new ArrayList<>();
        for (String code : found(CODE, Files.readString(page))) {
            Matcher path = REPOSITORY_PATH.matcher(code.replace("`", "").split(" ")[0]);
            if (path.matches() && !path.group().contains("/target") && !Files.exists(ROOT.resolve(path.group()))) {
                missing.add(path.group());
            }
        }
        assertThat(missing).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void settingsThatAreNamedExist(Path page) throws IOException {
        List<String> unknown = new ArrayList<>();
        for (String code : found(CODE, Files.readString(page))) {
            Matcher setting = SETTING.matcher(code);
            while (setting.find()) {
                if (isPartOfType(code, setting.start())) continue;
                if (!reference.hasPathOrNull(setting.group())) unknown.add(setting.group());
            }
        }
        assertThat(unknown).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void typesThatAreNamedExist(Path page) throws IOException {
        List<String> unknown = new ArrayList<>();
        for (String type : found(TYPE, Files.readString(page))) {
            String file = "src/main/java/" + type.replace('.', '/') + ".java";
            Stream<String> rooms = Stream.of(
                    "actors", "config", "protocol", "storage", "src-test/testkit", "src-test/bench", "src-test/tests");
            if (rooms.noneMatch(room -> Files.exists(ROOT.resolve(room).resolve(file))
                    || Files.exists(ROOT.resolve(room).resolve(file.replace("src/main", "src/test"))))) {
                unknown.add(type);
            }
        }
        assertThat(unknown).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void testsThatAreNamedExist(Path page) throws Exception {
        List<String> unknown = new ArrayList<>();
        for (String code : found(CODE, Files.readString(page))) {
            Matcher test = TEST.matcher(code.replace("`", ""));
            if (test.matches() && !isTest(test.group(1), test.group(2))) unknown.add(test.group());
        }
        assertThat(unknown).isEmpty();
    }

    /** What is promised for an event is held by a test: the two tables have the same rows, and the second one may have more. */
    @Test
    void eachPromiseNamesTheTestThatHoldsIt() throws IOException {
        String page = Files.readString(ROOT.resolve("docs/guarantees.md"));
        Map<String, String> heldBy = rows(page, "| promise | held by |");
        Map<String, String> promises = rows(page, "| event | what holds |");
        assertThat(promises).hasSizeGreaterThan(6);
        assertThat(heldBy.keySet()).containsAll(promises.keySet());
        heldBy.forEach((promise, tests) -> assertThat(found(CODE, tests))
                .as("tests that hold: %s", promise)
                .anyMatch(code -> TEST.matcher(code.replace("`", "")).matches() && code.contains("#")));
    }

    @ParameterizedTest
    @MethodSource("pages")
    void configurationThatIsShownIsAccepted(Path page) throws IOException {
        Matcher block = BLOCK.matcher(Files.readString(page));
        while (block.find()) {
            if (!Set.of("hocon", "conf").contains(block.group(1).toLowerCase(Locale.ROOT))) continue;
            ConfigParseOptions asShown = ConfigParseOptions.defaults()
                    .setSyntax(ConfigSyntax.CONF)
                    .setOriginDescription(ROOT.relativize(page).toString());
            ForebaySettings.from(ConfigFactory.parseString(block.group(2), asShown)
                    .withFallback(reference)
                    .resolve());
        }
    }

    @Test
    void everyPageCanBeReachedFromTheReadme() throws IOException {
        Set<Path> reached = new TreeSet<>();
        List<Path> waiting = new ArrayList<>(List.of(ROOT.resolve("README.md")));
        while (!waiting.isEmpty()) {
            Path page = waiting.remove(waiting.size() - 1);
            if (!reached.add(page)) continue;
            Matcher link = LINK.matcher(withoutBlocks(Files.readString(page)));
            while (link.find()) {
                String target = link.group(1).split("#", 2)[0];
                Path next = page.resolveSibling(target).normalize();
                if (target.endsWith(".md") && !target.contains(":") && Files.exists(next)) waiting.add(next);
            }
        }
        assumeTrue(Files.isDirectory(ROOT.resolve("docs")));
        assertThat(reached)
                .containsAll(
                        pages().filter(p -> p.startsWith(ROOT.resolve("docs"))).toList());
    }

    /** The pages of the repository: in its top folder and in {@code docs}. */
    static Stream<Path> pages() throws IOException {
        List<Path> pages = new ArrayList<>();
        try (Stream<Path> top = Files.list(ROOT)) {
            top.filter(DocumentationTest::isPage).forEach(pages::add);
        }
        if (Files.isDirectory(ROOT.resolve("docs"))) {
            try (Stream<Path> docs = Files.walk(ROOT.resolve("docs"))) {
                docs.filter(DocumentationTest::isPage).forEach(pages::add);
            }
        }
        return pages.stream().sorted();
    }

    private static boolean isPage(Path file) {
        return file.toString().endsWith(".md");
    }

    /** The second cell of each row by the first, of the table with that head. */
    private static Map<String, String> rows(String page, String head) {
        Map<String, String> rows = new LinkedHashMap<>();
        page.lines()
                .dropWhile(line -> !line.equals(head))
                .skip(2)
                .takeWhile(line -> line.startsWith("|"))
                .map(line -> line.split(" *\\| *"))
                .forEach(cells -> rows.put(cells[1], cells[2]));
        return rows;
    }

    /** @param method null for any */
    private static boolean isTest(String simpleName, String method) throws IOException, ClassNotFoundException {
        Path sources = ROOT.resolve("src-test/tests/src/test/java");
        List<Path> files;
        try (Stream<Path> tree = Files.walk(sources)) {
            files = tree.filter(file -> file.endsWith(simpleName + ".java")).toList();
        }
        if (files.size() != 1) return false;
        String name = sources.relativize(files.get(0)).toString().replace(".java", "");
        Class<?> type =
                Class.forName(name.replace(File.separatorChar, '.'), false, DocumentationTest.class.getClassLoader());
        if (method == null && type.isAnnotationPresent(RunWith.class)) return true; // Akka's own, run as such
        return Stream.of(type.getDeclaredMethods())
                .filter(declared -> AnnotationSupport.isAnnotated(declared, Testable.class))
                .anyMatch(declared -> method == null || declared.getName().equals(method));
    }

    private static boolean isPartOfType(String code, int at) {
        return at >= 3 && code.startsWith("io.", at - 3);
    }

    private static List<String> found(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(result -> result.group()).toList();
    }

    private static String withoutBlocks(String text) {
        return BLOCK.matcher(text).replaceAll("");
    }

    /** Anchors as GitHub makes them of headings. */
    private static Set<String> anchors(Path page) throws IOException {
        Set<String> anchors = new TreeSet<>();
        for (String heading : found(HEADING, withoutBlocks(Files.readString(page)))) {
            String text = heading.replaceFirst("^#+ +", "").strip().toLowerCase(Locale.ROOT);
            anchors.add(text.replaceAll("[^\\p{L}\\p{N} _-]", "").replace(' ', '-'));
        }
        return anchors;
    }
}
