#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <steward/cli/commands.hpp>
#include <steward/cli/input.hpp>
#include <steward/cli/json.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>
#include <steward/cli/usage.hpp>
#include <steward/cli/values.hpp>
#include <steward/cli/words.hpp>

namespace steward::cli {
namespace {

struct Call : Remote {
  explicit Call(CLI::App& command) : Remote(command) {
    add_object(command, object);
    command
        .add_option("METHOD", method, "Its name: docs/protocol.md lists those of each class")
        ->option_text(" ");
    command
        .add_option("JSON", arguments, "Its arguments; -: the value on standard input")
        ->option_text("...");
    command.parse_complete_callback([this] {
      if (method.empty() && object != kStandardInput) throw UsageError("METHOD is required");
    });
  }

  void run(const Manager& manager) const {
    if (method.empty()) return run_lines(manager);
    std::cout << result(manager, object, method, read_values(arguments, options())) << '\n';
  }

  std::string result(const Manager& manager, const std::string& on, const std::string& name,
                     const Value::List& values) const {
    return to_json(hurried(find_object(manager, on, options())).apply(name, values));
  }

  // Each line is a call. What fails is said, and the others follow; without the manager none can.
  void run_lines(const Manager& manager) const {
    std::size_t number = 0;
    std::size_t failed = 0;
    Input input;
    for (std::string line; input.line(line);) {
      const std::string where = "line " + std::to_string(++number) + ": ";
      try {
        if (input.is_too_long()) {
          throw std::length_error("it has more than " + std::to_string(kInputBytes) + " bytes");
        }
        const std::vector<std::string> words = words_of(line);
        if (words.empty()) continue;
        std::cout << run_line(manager, words) << std::endl;
      } catch (const Disconnected& error) {
        throw Disconnected(where + error.what());
      } catch (const std::exception& error) {
        ++failed;
        std::cerr << "steward: " << where << visible(error.what()) << '\n';
      }
      if (!std::cout) return;  // nobody reads it; see main()
    }
    if (failed > 0) {
      throw std::runtime_error(std::to_string(failed) + " of " + std::to_string(number) +
                               " lines failed");
    }
  }

  std::string run_line(const Manager& manager, const std::vector<std::string>& words) const {
    if (words.size() < 2) throw UsageError("a call is OBJECT METHOD [JSON...]");
    // A name with blanks in it stands in quotes.
    std::string on = words[0];
    if (on.starts_with('"')) on = from_json(on, "OBJECT", options()).string();
    const std::vector<std::string> rest(words.begin() + 2, words.end());
    return result(manager, on, words[1], to_values(rest, options()));
  }

  std::string object;
  std::string method;
  std::vector<std::string> arguments;
};

}  // namespace

void add_call(CLI::App& program) {
  add_remote<Call>(
      program, "call", "Call a method of an object, or many",
      "Prints the result; null is nothing, [] and [x] are none and one.\n"
      "What JSON has no word for: {\"$bytes\": \"aGVsbG8=\"}, {\"$real\": \"NaN\"},\n"
      "{\"$map\": [[1, \"one\"]]}, {\"$text\": base64 of a text that is no UTF-8}.\n"
      "A handle is its text, \"steward:1:...\".\n\n"
      "  steward call \"$ADDRESS\" scores append 7\n"
      "  steward call \"$ADDRESS\" ages set '\"ada\"' 36\n"
      "  steward call \"$ADDRESS\" jobs get --timeout 5\n"
      "  steward call \"$ADDRESS\" scores extend - < numbers.json\n\n"
      "With - in place of OBJECT and METHOD, each line of standard input is a call, OBJECT METHOD\n"
      "[JSON...], and each result a line. A line that fails prints its number and the reason to\n"
      "standard error and no result; the others follow, and the program exits with 1.\n\n"
      "  printf 'scores append %s\\n' 1 2 3 | steward call \"$ADDRESS\" -");
}

}  // namespace steward::cli
