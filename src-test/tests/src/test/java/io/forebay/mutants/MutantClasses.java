package io.forebay.mutants;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * Classes with a change in their source: the changed file is compiled in memory, and a class loader of its own has it beside all
 * others that are loaded anew, those of the tests included, so that they run against it. Everything else is the same for all.
 * Thread-safe.
 */
public final class MutantClasses implements AutoCloseable {
    private static final List<String> ROOMS = List.of("protocol", "config", "storage", "actors");

    private final String prefix;
    private final String classPath;
    private final JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    /** Each is for one thread at a time, and keeps what it has seen of the class path. */
    private final Queue<StandardJavaFileManager> idleFiles = new ConcurrentLinkedQueue<>();
    /** By path. */
    private final Map<Path, String> sources = new ConcurrentHashMap<>();
    /** Unchanged classes, by name. */
    private final Map<String, byte[]> originals = new HashMap<>();

    /**
     * @param prefix what the names of the classes begin with that are loaded anew for each mutant. Every class of a package in
     *     which something is changed has to be, and every one that meets it through another one that is
     * @param known one class of each place that has what the changed sources know: with all there are, the compiler looks longer
     *     than it compiles
     */
    public MutantClasses(String prefix, Class<?>... known) {
        this.prefix = prefix;
        classPath = Stream.of(known)
                .map(type -> Path.of(URI.create(type.getProtectionDomain()
                                .getCodeSource()
                                .getLocation()
                                .toString()))
                        .toString())
                .distinct()
                .reduce((left, right) -> left + System.getProperty("path.separator") + right)
                .orElseThrow();
    }

    /** All classes as they are. */
    public ClassLoader unchanged() {
        return new Loader(Map.of());
    }

    /**
     * @param where a class, or a package whose files are searched
     * @param fragment stands in exactly one place there; white space counts as that, whatever it is
     * @return loads the classes, as changed
     * @throws AssertionError if the fragment is not found, or found more than once, or what comes out does not compile
     */
    public ClassLoader change(String where, String fragment, String replacement) throws IOException {
        Pattern pattern = Pattern.compile(Stream.of(fragment.split("\\s+"))
                .map(Pattern::quote)
                .reduce((left, right) -> left + "\\s+" + right)
                .orElseThrow());
        String changedFile = null;
        String changed = null;
        for (Path path : filesOf(where)) {
            String source = source(path);
            Matcher matcher = pattern.matcher(source);
            while (matcher.find()) {
                if (changedFile != null) {
                    throw new AssertionError("\"" + fragment + "\" is found more than once, in " + changedFile + " and "
                            + path.getFileName() + ": quote more of the place that is meant");
                }
                changedFile = path.getFileName().toString();
                changed = source.substring(0, matcher.start()) + replacement + source.substring(matcher.end());
            }
        }
        if (changedFile == null) {
            throw new AssertionError(
                    "\"" + fragment + "\" is not found in " + where + ": quote what the source says there now");
        }
        return new Loader(compile(changedFile, changed));
    }

    private static List<Path> filesOf(String where) throws IOException {
        for (String room : ROOMS) {
            Path place = Path.of("..", "..", room, "src", "main", "java").resolve(where.replace('.', '/'));
            Path file = place.resolveSibling(place.getFileName() + ".java");
            if (Files.exists(file)) {
                return List.of(file);
            }
            if (Files.isDirectory(place)) {
                try (Stream<Path> found = Files.list(place)) {
                    return found.filter(Files::isRegularFile).sorted().toList();
                }
            }
        }
        throw new AssertionError("there is no source of " + where);
    }

    private String source(Path path) throws IOException {
        String source = sources.get(path);
        if (source == null) {
            source = Files.readString(path);
            sources.put(path, source);
        }
        return source;
    }

    private Map<String, byte[]> compile(String fileName, String source) {
        StandardJavaFileManager idle = idleFiles.poll();
        StandardJavaFileManager files = idle == null ? compiler.getStandardFileManager(null, null, null) : idle;
        try {
            return compile(fileName, source, files);
        } finally {
            idleFiles.add(files);
        }
    }

    private Map<String, byte[]> compile(String fileName, String source, StandardJavaFileManager files) {
        Map<String, byte[]> compiled = new TreeMap<>();
        JavaFileManager inMemory = new ForwardingJavaFileManager<JavaFileManager>(files) {
            @Override
            public JavaFileObject getJavaFileForOutput(
                    Location location, String className, JavaFileObject.Kind kind, FileObject sibling) {
                return new SimpleJavaFileObject(URI.create("memory:///" + className.replace('.', '/')), kind) {
                    @Override
                    public OutputStream openOutputStream() {
                        return new ByteArrayOutputStream() {
                            @Override
                            public void close() {
                                compiled.put(className, toByteArray());
                            }
                        };
                    }
                };
            }
        };
        JavaFileObject file =
                new SimpleJavaFileObject(URI.create("memory:///" + fileName), JavaFileObject.Kind.SOURCE) {
                    @Override
                    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                        return source;
                    }
                };
        StringWriter messages = new StringWriter();
        List<String> options = List.of("-proc:none", "-nowarn", "-classpath", classPath);
        if (!compiler.getTask(messages, inMemory, null, options, null, List.of(file))
                .call()) {
            throw new AssertionError("the mutant of " + fileName + " does not compile: " + messages);
        }
        return compiled;
    }

    @Override
    public void close() throws IOException {
        for (StandardJavaFileManager files : idleFiles) {
            files.close();
        }
    }

    private byte[] original(String name) throws ClassNotFoundException {
        synchronized (originals) {
            byte[] bytes = originals.get(name);
            if (bytes == null) {
                try (InputStream in =
                        MutantClasses.class.getClassLoader().getResourceAsStream(name.replace('.', '/') + ".class")) {
                    if (in == null) {
                        throw new ClassNotFoundException(name);
                    }
                    bytes = in.readAllBytes();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
                originals.put(name, bytes);
            }
            return bytes;
        }
    }

    private final class Loader extends ClassLoader {
        private final Map<String, byte[]> changed;

        Loader(Map<String, byte[]> changed) {
            super(MutantClasses.class.getClassLoader());
            this.changed = changed;
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith(prefix)) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded != null ? loaded : define(name);
            }
        }

        private Class<?> define(String name) throws ClassNotFoundException {
            byte[] bytes = changed.get(name);
            if (bytes == null) {
                bytes = original(name);
            }
            return defineClass(name, bytes, 0, bytes.length);
        }
    }
}
