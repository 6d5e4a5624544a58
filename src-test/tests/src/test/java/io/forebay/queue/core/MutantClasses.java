package io.forebay.queue.core;

import io.forebay.protocol.Durability;
import io.forebay.storage.log.LogRecord;
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
import java.util.TreeMap;
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
 * The classes of this package with a change in their source: the changed file is compiled in memory, and a class loader of its
 * own has it beside all others of the package, those of the tests included, so that they run against it.
 */
final class MutantClasses implements AutoCloseable {
    private static final String PACKAGE = "io.forebay.queue.core";
    private static final Path SOURCES =
            Path.of("..", "..", "actors", "src", "main", "java").resolve(PACKAGE.replace('.', '/'));

    private final JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    private final StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null);
    private final Map<String, String> sources = new TreeMap<>();

    MutantClasses() throws IOException {
        try (Stream<Path> found = Files.list(SOURCES)) {
            for (Path path : (Iterable<Path>) found::iterator) {
                sources.put(path.getFileName().toString(), Files.readString(path));
            }
        }
    }

    /**
     * @param fragment stands in exactly one place of the package's sources; white space counts as that, whatever it is
     * @return loads the package's classes, as changed
     * @throws AssertionError if the fragment is not found, or found more than once, or what comes out does not compile
     */
    ClassLoader change(String fragment, String replacement) {
        Pattern pattern = Pattern.compile(Stream.of(fragment.split("\\s+"))
                .map(Pattern::quote)
                .reduce((left, right) -> left + "\\s+" + right)
                .orElseThrow());
        String changedFile = null;
        String changed = null;
        for (Map.Entry<String, String> source : sources.entrySet()) {
            Matcher matcher = pattern.matcher(source.getValue());
            while (matcher.find()) {
                if (changedFile != null) {
                    throw new AssertionError("\"" + fragment + "\" is found more than once, in " + changedFile + " and "
                            + source.getKey());
                }
                changedFile = source.getKey();
                changed = source.getValue().substring(0, matcher.start())
                        + replacement
                        + source.getValue().substring(matcher.end());
            }
        }
        if (changedFile == null) {
            throw new AssertionError("\"" + fragment + "\" is not found in " + SOURCES);
        }
        return new Loader(compile(changedFile, changed));
    }

    private Map<String, byte[]> compile(String fileName, String source) {
        Map<String, byte[]> compiled = new HashMap<>();
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
        List<String> options = List.of("-proc:none", "-nowarn", "-classpath", classPath());
        if (!compiler.getTask(messages, inMemory, null, options, null, List.of(file))
                .call()) {
            throw new AssertionError("the mutant of " + fileName + " does not compile: " + messages);
        }
        return compiled;
    }

    /** Only what the sources of this package know: a long class path takes longer than the compilation. */
    private static String classPath() {
        return Stream.of(GroupQueueState.class, LogRecord.class, Durability.class)
                .map(type -> Path.of(URI.create(type.getProtectionDomain()
                                .getCodeSource()
                                .getLocation()
                                .toString()))
                        .toString())
                .distinct()
                .reduce((left, right) -> left + System.getProperty("path.separator") + right)
                .orElseThrow();
    }

    @Override
    public void close() throws IOException {
        files.close();
    }

    private static final class Loader extends ClassLoader {
        private final Map<String, byte[]> changed;

        Loader(Map<String, byte[]> changed) {
            super(MutantClasses.class.getClassLoader());
            this.changed = changed;
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith(PACKAGE + ".")) {
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
                try (InputStream in = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
                    if (in == null) {
                        throw new ClassNotFoundException(name);
                    }
                    bytes = in.readAllBytes();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
            return defineClass(name, bytes, 0, bytes.length);
        }
    }
}
