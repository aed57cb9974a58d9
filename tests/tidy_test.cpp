// The architecture as a test: reads every source file and reports what the house does not allow.
//
// A rule is a function from files to findings. Each one is tried twice: on the whole tree, which
// must be clean, and on small samples, of which the bad ones must be reported.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/tests/tidy/source.hpp>

namespace {

using steward::tidy::File;
using steward::tidy::Include;
using steward::tidy::Named;
using steward::tidy::lines;
using steward::tidy::words;
using steward::tidy::line_of;

// ---- The tables. They follow the architecture: change both together. ----

struct Room {
  std::string_view folder;
  std::string_view sees;  // other rooms, or single files of them; "*" is all of them
  bool library = true;    // a part of the library, not a user of it
};

// An inner room stands before the one it lies in.
constexpr std::array kRooms{
    Room{"core", ""},
    Room{"shm", "core"},
    Room{"process", "core shm"},
    Room{"pool", "core shm process"},
    Room{"client", "core shm"},
    Room{"pipe", "core shm process client"},
    Room{"proxy", "core client shm"},
    Room{"engine", "core"},
    Room{"manager/server", "core shm engine"},
    Room{"manager", "core shm process pool client pipe proxy engine manager/server"},
    Room{"steward.hpp", "*"},
    Room{"version.hpp", ""},
    Room{"cli", "steward.hpp manager version.hpp core/text.hpp", false},
    Room{"examples", "steward.hpp", false},
    Room{"bench", "steward.hpp core tests", false},  // one of them is a stranger's clients
    Room{"tests", "*", false},
};

struct Library {
  std::string_view header;  // how its includes begin
  std::string_view places;  // files or folders; "core/codec" is also core/codec_map.hpp
};

// Tests and benchmarks may speak to these directly: as the attacker, or as the peer beside us.
constexpr std::array kLibraries{
    Library{"msgpack", "core/codec core/value_adaptor core/value_codec"},
    Library{"zmq", "client/transport manager/server/listener"},
    Library{"boost/interprocess", "shm/segment"},
    Library{"sodium", "core/auth"},
    Library{"spdlog", "manager/serve"},
    Library{"CLI/", "cli"},
    Library{"nlohmann", "cli"},
};

struct ProcessWide {
  std::string_view place;
  int objects_max;
  std::string_view why;
};

constexpr std::array kProcessWide{
    ProcessWide{"client/home_process", 1, "by that a value knows that it is a fork's copy"},
    ProcessWide{"client/exit", 2, "whether this thread is over, and how that is noticed"},
    ProcessWide{"client/attempts", 1, "what this thread is in the middle of"},
    ProcessWide{"client", 1, "sessions by incarnation; leaked at exit"},
    ProcessWide{"shm/home_fd", 1, "what every forked copy closes; leaked at exit"},
    ProcessWide{"process/passed_files", 1, "the scope of this thread"},
    ProcessWide{"process/unwinding", 2, "how long it waits, and what this thread has given up"},
    ProcessWide{"process", 1, "the fork server; leaked at exit"},
    ProcessWide{"pipe/closing", 1, "sockets that have still to send; leaked at exit"},
    ProcessWide{"manager/server/accept", 1, "accept4() is the process's; a spare descriptor"},
    ProcessWide{"core/interrupt", 3, "the program's check, and what holds for one thread"},
    ProcessWide{"core/future", 1, "the executor whose own thread this is"},
    ProcessWide{"core/own_threads", 1, "whether this thread is one of the library"},
    ProcessWide{"core/handle_codec", 2, "the scope of this thread, and its stateless default"},
};

// What `using namespace steward` brings: the names of README.md and docs/from-python.md, those that
// they stand for, and `detail`, where all others are.
constexpr std::string_view kPublicNames =
    "AuthenticationError BadCall BrokenBarrier Closed Connection ConnectOptions Delivery Dict "
    "Disconnected Error Future Handle Interrupted List Listener ListenerOptions Lock LockOptions "
    "Manager ManagerOptions NotOwner Object OutcomeUnknown Overloaded OwnerDeath Poisoned Pool "
    "PoolOptions Process ProcessInfo ProcessOf ProcessOptions Queue RLock RemoteError StaleHandle "
    "StartMethod SystemError Task TimeoutError Value ValueKind WorkerDied active_children "
    "child_entry cpu_count current_process generate_key named open parent_process pipe "
    "progress_bar repr set_interrupt_check set_start_method to_string types wait when_any";

constexpr std::string_view kForks = "fork vfork clone clone3 posix_spawn posix_spawnp";
constexpr std::string_view kSleeps =
    "sleep sleep_for sleep_until usleep nanosleep clock_nanosleep";
constexpr std::string_view kLockFree = "shm/ring shm/slab shm/wait";
constexpr std::size_t kColumnsMax = 100;
constexpr std::size_t kLinesMax = 600;

// ---- Words and paths ----

constexpr auto npos = std::string::npos;

bool has_word(std::string_view text, std::string_view word) {
  return std::ranges::count(words(text), word) > 0;
}

bool lies_in(std::string_view path, std::string_view folder) {
  return path == folder || path.starts_with(std::string(folder) + '/');
}

// manager/serve_log.cpp is at manager/serve, manager/server/core.cpp is not.
bool is_at(std::string_view path, std::string_view place) {
  if (!path.starts_with(place)) return false;
  const auto rest = path.substr(place.size());
  return rest.empty() || rest[0] == '.' || rest[0] == '_' || rest[0] == '/';
}

bool is_at_one_of(std::string_view path, std::string_view places) {
  return std::ranges::any_of(words(places), [&](const auto& place) { return is_at(path, place); });
}

const Room* room_of(std::string_view path) {
  for (const Room& room : kRooms) {
    if (lies_in(path, room.folder)) return &room;
  }
  return nullptr;
}

// ---- Source files ----

using Files = std::vector<File>;
using Findings = std::vector<std::string>;

std::string finding(const File& file, std::size_t line, std::string_view what) {
  return file.path + ':' + std::to_string(line) + ": " + std::string(what);
}

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const Files& tree() {
  static const Files files = [] {
    const std::filesystem::path root = STEWARD_SOURCE_DIR;
    Files out{{"steward.hpp", read(root / "steward.hpp")},
              {"version.hpp", read(root / "version.hpp")}};
    for (const Room& room : kRooms) {
      if (!is_directory(root / room.folder) || room.folder == "manager/server") continue;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(root / room.folder)) {
        const auto& path = entry.path();
        if (path.extension() != ".hpp" && path.extension() != ".cpp") continue;
        out.emplace_back(path.lexically_relative(root).generic_string(), read(path));
      }
    }
    return out;
  }();
  return files;
}

// ---- Rules ----

Findings arrows(const Files& files) {
  constexpr std::string_view kOurs = "steward/";
  Findings out;
  for (const File& file : files) {
    const Room* from = room_of(file.path);
    for (const Include& include : includes(file)) {
      if (!include.target.starts_with(kOurs)) continue;
      const Room* to = room_of(include.target.substr(kOurs.size()));
      if (to == nullptr) {
        out.push_back(finding(file, include.line, include.target + " is in no room"));
      } else if (from != to && from->sees != "*" && !has_word(from->sees, to->folder) &&
                 !has_word(from->sees, include.target.substr(kOurs.size()))) {
        out.push_back(finding(file, include.line,
                              std::string(from->folder) + " must not see " + include.target));
      }
    }
  }
  return out;
}

Findings outside_libraries(const Files& files) {
  Findings out;
  for (const File& file : files) {
    if (lies_in(file.path, "tests") || lies_in(file.path, "bench")) continue;
    for (const Include& include : includes(file)) {
      for (const Library& library : kLibraries) {
        if (!include.target.starts_with(library.header)) continue;
        if (is_at_one_of(file.path, library.places)) continue;
        out.push_back(finding(file, include.line,
                              include.target + " belongs in " + std::string(library.places)));
      }
    }
  }
  return out;
}

Findings quoted_includes(const Files& files) {
  Findings out;
  for (const File& file : files) {
    for (const Include& include : includes(file)) {
      if (!include.quoted) continue;
      out.push_back(finding(file, include.line, "write <steward/...> for " + include.target));
    }
  }
  return out;
}

Findings forks(const Files& files) {
  Findings out;
  for (const File& file : files) {
    if (lies_in(file.path, "process") || lies_in(file.path, "tests")) continue;
    for (const Named& call : calls(file, kForks)) {
      out.push_back(finding(file, call.line, call.name + " belongs in process"));
    }
  }
  return out;
}

Findings sleeps(const Files& files) {
  Findings out;
  for (const File& file : files) {
    if (!lies_in(file.path, "tests")) continue;
    for (const Named& call : calls(file, kSleeps)) {
      out.push_back(finding(file, call.line, call.name + " in a test: wait for the event itself"));
    }
  }
  return out;
}

// Lines at the left edge begin what stands there.
bool declares(std::string_view line) {
  constexpr std::string_view kOthers = "template requires extern namespace";
  const auto word = words(line);
  return !line.empty() && std::isalpha(static_cast<unsigned char>(line[0])) != 0 &&
         !has_word(kOthers, word.front());
}

// The name that such a line declares, in the style of this tree; empty: a member defined outside of
// its class, or an operator.
std::string declared_in(std::string line) {
  static const std::regex kArguments(R"(<[^<>]*>)");
  static const std::regex kType(R"(^(?:class|struct|union|enum(?: class)?|using) (\w+))");
  static const std::regex kOther(R"(^[^(={]*?([:\w]*)(?:\(|\{| =|;|$))");
  std::smatch found;
  if (std::regex_search(line, found, kType)) return found[1];
  if (line.find("operator") != npos) return {};
  for (std::string before; before != line;) {
    before = std::exchange(line, std::regex_replace(line, kArguments, ""));
  }
  if (!std::regex_search(line, found, kOther)) return line;
  const std::string name = found[1];
  return name.find(':') == npos ? name : std::string();
}

// What a header declares in `steward` itself must be known, and all its other namespaces lie in
// steward::detail.
Findings strange_names(const Files& files) {
  const std::string kClosing = "}  // namespace";
  Findings out;
  for (const File& file : files) {
    const Room* room = room_of(file.path);
    if (room == nullptr || !room->library || !file.path.ends_with(".hpp")) continue;
    std::vector<std::string> scopes;
    std::size_t number = 0;
    for (const auto& line : lines(file.text)) {
      ++number;
      const auto word = words(line);
      if (line.starts_with(kClosing)) {
        if (!scopes.empty()) scopes.pop_back();
      } else if (line.starts_with("namespace ") && line.ends_with('{')) {
        scopes.push_back(line.substr(10, line.size() - 12));
        if (scopes.size() > 1 && scopes.front() != "steward") continue;  // another library's
        const bool inner = scopes.size() > 1 ? scopes[1].starts_with("detail")
                                             : scopes[0] == "steward" || scopes[0] == "msgpack" ||
                                                   scopes[0].starts_with("steward::detail");
        if (!inner) out.push_back(finding(file, number, scopes.back() + " is not below detail"));
      } else if (scopes == std::vector<std::string>{"steward"} && declares(line)) {
        const std::string name = declared_in(line);
        if (has_word(kPublicNames, name) || name.empty()) continue;
        out.push_back(finding(file, number, name + " is no public name"));
      }
    }
  }
  return out;
}

// `commands` is what the build says that it compiles, the text of compile_commands.json.
Findings not_built(const Files& files, std::string_view commands) {
  Findings out;
  for (const File& file : files) {
    if (!file.path.ends_with("_test.cpp")) continue;
    if (commands.find('/' + file.path + '"') != npos) continue;
    out.push_back(finding(file, 1, "is not built"));
  }
  return out;
}

// `Suite.Test` in a document, where a test of that suite is meant: the first letter says so.
Findings tests_not_there(const Files& files, const File& document) {
  std::set<std::string> there;
  const std::regex test(R"(\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\))");
  for (const File& file : files) {
    if (!file.path.ends_with("_test.cpp")) continue;
    for (std::sregex_iterator at(file.code.begin(), file.code.end(), test), end; at != end; ++at) {
      there.insert((*at)[1].str() + '.' + (*at)[2].str());
    }
  }
  Findings out;
  const std::regex named(R"(`([A-Z]\w*\.[A-Z]\w*)`)");
  const std::string& text = document.text;
  for (std::sregex_iterator at(text.begin(), text.end(), named), end; at != end; ++at) {
    if (there.contains((*at)[1].str())) continue;
    const auto position = static_cast<std::size_t>(at->position());
    out.push_back(finding(document, line_of(text, position), (*at)[1].str() + " is no test"));
  }
  return out;
}

Findings left_for_now(const Files& files) {
  constexpr std::string_view kMark = "TODO(" "now)";  // in two, so as not to find itself
  Findings out;
  for (const File& file : files) {
    for (auto at = file.text.find(kMark); at != npos; at = file.text.find(kMark, at + 1)) {
      out.push_back(finding(file, line_of(file.text, at), kMark));
    }
  }
  return out;
}

Findings sizes(const Files& files) {
  Findings out;
  for (const File& file : files) {
    std::size_t number = 0;
    for (const auto& line : lines(file.text)) {
      ++number;
      const auto columns =  // characters: all bytes but the later ones of UTF-8
          std::ranges::count_if(line, [](char c) { return (c & '\xC0') != '\x80'; });
      if (static_cast<std::size_t>(columns) <= kColumnsMax) continue;
      out.push_back(finding(file, number, std::to_string(columns) + " columns"));
    }
    if (number > kLinesMax) {
      out.push_back(finding(file, number, "more than " + std::to_string(kLinesMax) + " lines"));
    }
  }
  return out;
}

Findings banners(const Files& files) {
  Findings out;
  for (const File& file : files) {
    if (!file.path.ends_with(".hpp") || !is_at_one_of(file.path, kLockFree)) continue;
    for (const std::string banner : {"Thread safety", "Invariants"}) {
      if (file.text.find(banner) != npos && file.code.find(banner) == npos) continue;
      out.push_back(finding(file, 1, "opens without the banner " + banner));
    }
  }
  return out;
}

// Each entry of the table excuses as many objects as it says, and only below its place.
Findings process_wide_objects(const Files& files) {
  std::array<int, kProcessWide.size()> excused{};
  Findings out;
  for (const File& file : files) {
    const Room* room = room_of(file.path);
    if (room == nullptr || !room->library) continue;
    for (const Named& object : lasting_objects(file)) {
      std::size_t i = 0;
      while (i < kProcessWide.size() && !is_at(file.path, kProcessWide[i].place)) ++i;
      if (i < kProcessWide.size() && excused[i]++ < kProcessWide[i].objects_max) continue;
      out.push_back(finding(file, object.line, object.name + " lives as long as the process"));
    }
  }
  return out;
}

// ---- The tree keeps every rule ----

void expect_none(const Findings& findings) {
  for (const auto& what : findings) ADD_FAILURE() << what;
}

TEST(Tidy, ReadsTheWholeTree) { EXPECT_GT(tree().size(), 20U); }
TEST(Tidy, ArrowsPointTheRightWay) { expect_none(arrows(tree())); }
TEST(Tidy, OutsideLibrariesStayInTheirPlace) { expect_none(outside_libraries(tree())); }
TEST(Tidy, IncludesHaveOneSpelling) { expect_none(quoted_includes(tree())); }
TEST(Tidy, OnlyProcessForks) { expect_none(forks(tree())); }
TEST(Tidy, TestsDoNotSleep) { expect_none(sleeps(tree())); }
TEST(Tidy, EveryTestFileIsBuilt) { expect_none(not_built(tree(), read(STEWARD_COMMANDS))); }
TEST(Tidy, TestsThatDocumentsNameExist) {
  const std::string path = "docs/threat_model.md";
  const File document(path, read(STEWARD_SOURCE_DIR "/" + path));
  EXPECT_NE(document.text.find("`Tidy.TestsThatDocumentsNameExist`"), npos);
  expect_none(tests_not_there(tree(), document));
}
TEST(Tidy, NothingIsLeftForNow) { expect_none(left_for_now(tree())); }
TEST(Tidy, LinesAndFilesAreShort) { expect_none(sizes(tree())); }
TEST(Tidy, LockFreeFilesSayTheirContract) { expect_none(banners(tree())); }
TEST(Tidy, UsingTheNamespaceBringsPublicNamesOnly) { expect_none(strange_names(tree())); }
TEST(Tidy, NoOtherObjectIsProcessWide) { expect_none(process_wide_objects(tree())); }

// ---- Every rule can fail ----

std::size_t found(Findings (*rule)(const Files&), const std::string& path,
                  const std::string& text) {
  return rule({File(path, text)}).size();
}

TEST(TidyRules, ArrowTheWrongWayIsReported) {
  EXPECT_EQ(found(arrows, "core/a.hpp", "#include <steward/shm/ring.hpp>\n"), 1U);
  EXPECT_EQ(found(arrows, "manager/server/a.cpp", "#include <steward/proxy/list.hpp>\n"), 1U);
  EXPECT_EQ(found(arrows, "manager/server/a.cpp", "#include <steward/manager/serve.hpp>\n"), 1U);
  EXPECT_EQ(found(arrows, "proxy/a.hpp", "  #  include <steward/pool/pool.hpp>\n"), 1U);
  EXPECT_EQ(found(arrows, "examples/tour/01_a.cpp", "#include <steward/core/value.hpp>\n"), 1U);
  EXPECT_EQ(found(arrows, "core/a.hpp", "#include <steward/attic/value.hpp>\n"), 1U);
  EXPECT_EQ(found(arrows, "proxy/a.hpp", "#include <steward/proxy/handle.hpp>\n"), 0U);
  EXPECT_EQ(found(arrows, "manager/a.hpp", "#include <steward/manager/server/core.hpp>\n"), 0U);
  EXPECT_EQ(found(arrows, "cli/main.cpp", "#include <steward/steward.hpp>\n"), 0U);
  EXPECT_EQ(found(arrows, "core/a.hpp", "// #include <steward/shm/ring.hpp>\n"), 0U);
}

TEST(TidyRules, OutsideLibraryElsewhereIsReported) {
  EXPECT_EQ(found(outside_libraries, "core/value.hpp", "#include <msgpack.hpp>\n"), 1U);
  EXPECT_EQ(found(outside_libraries, "client/session.cpp", "#include <zmq.hpp>\n"), 1U);
  EXPECT_EQ(found(outside_libraries, "manager/server/a.cpp", "#include <spdlog/spdlog.h>\n"), 1U);
  EXPECT_EQ(found(outside_libraries, "examples/a.cpp", "#include <msgpack.hpp>\n"), 1U);
  EXPECT_EQ(found(outside_libraries, "manager/serve.cpp", "#include <spdlog/spdlog.h>\n"), 0U);
  EXPECT_EQ(found(outside_libraries, "core/codec/map.hpp", "#include <msgpack.hpp>\n"), 0U);
  EXPECT_EQ(found(outside_libraries, "shm/segment_open.cpp",
                  "#include <boost/interprocess/mapped_region.hpp>\n"), 0U);
}

TEST(TidyRules, QuotedIncludeIsReported) {
  EXPECT_EQ(found(quoted_includes, "core/a.cpp", "#include \"a.hpp\"\n"), 1U);
  EXPECT_EQ(found(quoted_includes, "core/a.cpp", "#include <steward/core/a.hpp>\n"), 0U);
}

TEST(TidyRules, ForkElsewhereIsReported) {
  EXPECT_EQ(found(forks, "client/a.cpp", "auto pid = ::fork();\nvfork ();\n"), 2U);
  EXPECT_EQ(found(forks, "client/a.cpp", "pthread_atfork(f, g, h); a.clone(); // fork()\n"), 0U);
  EXPECT_EQ(found(forks, "process/a.cpp", "fork();\n"), 0U);
}

TEST(TidyRules, SleepInATestIsReported) {
  EXPECT_EQ(found(sleeps, "tests/core/a_test.cpp", "std::this_thread::sleep_for(1s);\n"), 1U);
  EXPECT_EQ(found(sleeps, "tests/core/a_test.cpp", "int asleep(int); say(\"sleep(1)\");\n"), 0U);
}

TEST(TidyRules, TestFileThatIsNotBuiltIsReported) {
  const Files files{{"tests/core/a_test.cpp", ""}, {"tests/core/b_test.cpp", ""}};
  const auto commands = R"("file": "/somewhere/tests/core/b_test.cpp")";
  EXPECT_EQ(not_built(files, commands), Findings{"tests/core/a_test.cpp:1: is not built"});
}

TEST(TidyRules, TestThatADocumentNamesAndIsNotThereIsReported) {
  const Files files{{"tests/core/a_test.cpp", "TEST(One, IsHere) {}\nTEST_F(Two, IsToo) {}\n"}};
  const File document("docs/a.md", "`One.IsHere`, `Two.IsToo`,\n`One.IsNot`; `Limits.h`, `a.B`\n");
  EXPECT_EQ(tests_not_there(files, document), Findings{"docs/a.md:2: One.IsNot is no test"});
}

TEST(TidyRules, WorkLeftForNowIsReported) {
  EXPECT_EQ(found(left_for_now, "core/a.cpp", "// TODO(" "now): this\n"), 1U);
  EXPECT_EQ(found(left_for_now, "core/a.cpp", "// TODO(perf): this\n"), 0U);
}

TEST(TidyRules, LongLineOrFileIsReported) {
  const std::string limit(kColumnsMax, 'x');
  EXPECT_EQ(found(sizes, "core/a.cpp", limit + "x\n"), 1U);
  EXPECT_EQ(found(sizes, "core/a.cpp", "\u00e9" + limit.substr(1) + '\n'), 0U);
  EXPECT_EQ(found(sizes, "core/a.cpp", std::string(kLinesMax + 1, '\n')), 1U);
  EXPECT_EQ(found(sizes, "core/a.cpp", std::string(kLinesMax, '\n')), 0U);
}

TEST(TidyRules, LockFreeFileWithoutBannersIsReported) {
  EXPECT_EQ(found(banners, "shm/ring_view.hpp", "// Thread safety: one of each.\n"), 1U);
  EXPECT_EQ(found(banners, "shm/wait.hpp", "int thread; // nothing said\n"), 2U);
  EXPECT_EQ(found(banners, "shm/ring.hpp", "// Thread safety\n// Invariants\n"), 0U);
  EXPECT_EQ(found(banners, "shm/segment.hpp", ""), 0U);
}

TEST(TidyRules, StrangeNameInThePublicNamespaceIsReported) {
  const auto names = [](const std::string& inside) {
    return found(strange_names, "proxy/a.hpp",
                 "namespace steward {\n" + inside + "}  // namespace steward\n");
  };
  EXPECT_EQ(names("class Clock {\n};\n"), 1U);
  EXPECT_EQ(names("enum class Kind : int { a };\nusing Bytes = int;\nstruct Own;\n"), 3U);
  EXPECT_EQ(names("inline int count() { return 1; }\nint other(\n    int a);\n"), 2U);
  EXPECT_EQ(names("inline constexpr int kOne{};\ninline const int two = 2;\n"), 2U);
  EXPECT_EQ(names("namespace inner {\n}  // namespace inner\n"), 1U);
  EXPECT_EQ(found(strange_names, "core/a.hpp", "namespace steward::core {\n"), 1U);

  EXPECT_EQ(names("template <class T>\nclass List : public A<T> {\n  int other();\n};\n"), 0U);
  EXPECT_EQ(names("int List::size() const {\n}\nbool operator==(List a, List b);\n"), 0U);
  EXPECT_EQ(names("namespace detail::core {\nclass A;\n}  // namespace detail::core\n"), 0U);
  EXPECT_EQ(found(strange_names, "tests/a.hpp", "namespace steward::other {\n"), 0U);
}

TEST(TidyRules, ProcessWideObjectIsReported) {
  const auto objects = [](const std::string& text) {
    return found(process_wide_objects, "proxy/a.cpp", text);
  };
  EXPECT_EQ(objects("namespace a { int count = 0; }"), 1U);
  EXPECT_EQ(objects("namespace { std::map<int, std::string> names; }"), 1U);
  EXPECT_EQ(objects("const char* name = \"x\";"), 1U);
  EXPECT_EQ(objects("thread_local int depth;"), 1U);
  EXPECT_EQ(objects("State& state() { static State& s = *new State; return s; }"), 1U);
  EXPECT_EQ(objects("struct A { static inline std::atomic<int> n{0}; };"), 1U);
  EXPECT_EQ(objects("struct A { static A* only; };\nA* A::only = nullptr;"), 1U);
  EXPECT_EQ(objects("int f() { return 1; }\nint g{2};\nbool operator==(A a, A b) {}\nint h;"), 2U);

  EXPECT_EQ(objects("namespace a { constexpr int kOne = 1; const std::string kTwo = \"2\"; }"), 0U);
  EXPECT_EQ(objects("void f(A a = {}, B b = {});\nvoid g() { h([] { return 1; }, 2); }"), 0U);
  EXPECT_EQ(objects("template <class T> requires requires { T::a; } struct A : B<T> {};"), 0U);
  EXPECT_EQ(objects("const char* const name = \"x\";"), 0U);
  EXPECT_EQ(objects("struct A { int a = 0; static int next(); static constexpr int k = 1; };"), 0U);
  EXPECT_EQ(objects("int f(int a = 1); using A = int; enum class B : int { a, b }; class C;"), 0U);
  EXPECT_EQ(objects("template <class T> concept D = requires(T t) { t.f(); };"), 0U);
  EXPECT_EQ(objects("A::A(int b) : b_{b}, c_(b) { int d = 0; if (d) { e(); } else { f(); } }"), 0U);
}

TEST(TidyRules, OnlyAsManyObjectsAsTheTableSaysAreExcused) {
  EXPECT_EQ(found(process_wide_objects, "client/state.cpp", "State* state;"), 0U);
  EXPECT_EQ(found(process_wide_objects, "client/state.cpp", "State* state; int other;"), 1U);
}

}  // namespace
