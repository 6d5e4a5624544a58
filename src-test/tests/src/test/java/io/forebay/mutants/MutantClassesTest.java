package io.forebay.mutants;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.FlushRange;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A mutant is what was asked for, or the test that asked for it fails and says why: never the engine as it is. */
class MutantClassesTest {
    private static final String PHASE = "io.forebay.storage.log.Phase";

    private final MutantClasses classes = new MutantClasses("io.forebay.storage.log.", FlushRange.class);

    @AfterEach
    void close() throws IOException {
        classes.close();
    }

    @Test
    void aChangeIsInTheClassesThatAreLoadedAndNowhereElse() throws Exception {
        ClassLoader changed = classes.change(PHASE, "REWRITING", "REWRITING, AND_MORE");
        Object[] was = classes.unchanged().loadClass(PHASE).getEnumConstants();
        assertThat(changed.loadClass(PHASE).getEnumConstants()).hasSize(was.length + 1);
        assertThat(Class.forName(PHASE).getEnumConstants()).hasSize(was.length);
        assertThat(changed.loadClass("io.forebay.storage.io.StorageFile"))
                .as("what is not loaded anew")
                .isSameAs(io.forebay.storage.io.StorageFile.class);
    }

    @Test
    void aFragmentThatIsNotThereIsNamed() {
        assertThatThrownBy(() -> classes.change(PHASE, "no such   words", ""))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("\"no such   words\" is not found in " + PHASE);
        assertThatThrownBy(() -> classes.change("io.forebay.storage.log.NoSuchClass", "x", ""))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("no source of io.forebay.storage.log.NoSuchClass");
    }

    @Test
    void aFragmentThatIsThereTwiceIsNamed() {
        assertThatThrownBy(() -> classes.change("io.forebay.storage.log", "package io.forebay.storage.log;", ""))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("is found more than once");
    }

    @Test
    void aChangeThatDoesNotCompileIsNamed() {
        assertThatThrownBy(() -> classes.change(PHASE, "REWRITING", "]"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("the mutant of Phase.java does not compile");
    }

    @Test
    void whatIsNoFindingOfATestIsNone() {
        assertThat(MutantCheck.found(new IOException(" a\n b "))).isEqualTo("IOException a b");
        assertThatThrownBy(() -> MutantCheck.found(new NoClassDefFoundError("x")))
                .isInstanceOf(AssertionError.class)
                .hasRootCauseInstanceOf(NoClassDefFoundError.class);
    }
}
