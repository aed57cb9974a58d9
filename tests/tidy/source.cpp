#include <steward/tests/tidy/source.hpp>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>
#include <regex>
#include <sstream>
#include <utility>

namespace steward::tidy {
namespace {

constexpr auto npos = std::string::npos;

bool is_identifier(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); }

std::string blank(std::string_view text, bool keep_literals) {
  std::string out(text);
  const auto wipe = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, out.size()); ++i) {
      if (out[i] != '\n') out[i] = ' ';
    }
  };
  std::size_t i = 0;
  while (i < text.size()) {
    const auto rest = text.substr(i);
    const bool in_word = i > 0 && is_identifier(text[i - 1]);
    std::size_t end = i + 1;
    if (rest.starts_with("//")) {
      end = std::min(text.find('\n', i), text.size());
      wipe(i, end);
    } else if (rest.starts_with("/*")) {
      const auto close = text.find("*/", i + 2);
      end = close == npos ? text.size() : close + 2;
      wipe(i, end);
    } else if (rest.starts_with("R\"") && !in_word) {
      const std::string delimiter(text.substr(i + 2, text.find('(', i) - i - 2));
      const auto close = text.find(')' + delimiter + '"', i);
      end = close == npos ? text.size() : close + delimiter.size() + 2;
      if (!keep_literals) wipe(i + 2, end - 1);
    } else if (text[i] == '"' || (text[i] == '\'' && !in_word)) {  // 1'000 is a number
      while (end < text.size() && text[end] != text[i] && text[end] != '\n') {
        end += text[end] == '\\' ? 2 : 1;
      }
      if (!keep_literals) wipe(i + 1, end);
      ++end;
    }
    i = end;
  }
  return out;
}

std::string without_directives(std::string code) {
  bool directive = false;
  bool continued = false;
  bool at_start = true;
  for (char& c : code) {
    if (c == '\n') {
      directive = directive && continued;
      continued = false;
      at_start = true;
      continue;
    }
    if (at_start && c != ' ') {
      directive = directive || c == '#';
      at_start = false;
    }
    continued = c == '\\';
    if (directive) c = ' ';
  }
  return code;
}

// The part of a statement that names what it defines: no initialiser, no < > ( ) [ ] contents.
std::string head_of(std::string statement) {
  static const std::regex noise(R"(\[\[.*?\]\]|\balignas\s*\([^()]*\))"
                                R"(|\b(PT_)?GUARDED_BY\s*\([^()]*\))"
                                R"(|\b(public|protected|private)\s*:)");
  static const std::regex operators(R"(\boperator\s*[^\s\w(]+)");
  statement = std::regex_replace(statement, noise, " ");
  statement = std::regex_replace(statement, operators, "operator_");
  std::string out;
  int depth = 0;
  for (const char c : statement) {
    if (depth == 0 && (c == '=' || c == '{')) break;
    if (c == '>' || c == ')' || c == ']') --depth;
    if (depth == 0) out += c;
    if (c == '<' || c == '(' || c == '[') ++depth;
  }
  return out;
}

bool is_one_of(std::string_view word, std::string_view list) {
  return std::ranges::count(words(list), word) > 0;
}

// The name of the object that a statement defines, if it defines one that can change.
std::optional<std::string> changing_object(const std::string& statement, bool at_namespace) {
  constexpr std::string_view kOthers =
      "using typedef namespace class struct enum union concept requires friend static_assert";
  const std::string head = head_of(statement);
  if (head.find('(') != npos) return std::nullopt;

  std::string separate;
  for (const char c : head.substr(0, head.find('['))) {
    if (is_identifier(c) || c == ':') {
      separate += c;
    } else {
      separate += c == '*' ? " * " : " ";
    }
  }
  auto parts = words(separate);
  std::erase(parts, "template");
  const auto has = [&](std::string_view word) { return std::ranges::count(parts, word) > 0; };
  if (parts.size() < 2 || is_one_of(parts.front(), kOthers)) return std::nullopt;
  // int A::b; is the static member that A has declared, and was found there.
  if (parts.back().find("::") != npos) return std::nullopt;
  if (!at_namespace && !has("static") && !has("thread_local")) return std::nullopt;

  if (has("constexpr")) return std::nullopt;
  const auto star = std::ranges::find(parts.rbegin(), parts.rend(), "*").base();
  const bool constant = std::find(star == parts.begin() ? parts.begin() : star, parts.end(),
                                  "const") != parts.end();
  if (constant) return std::nullopt;
  return parts.back();
}

// Whether the statement has ended with a block that follows this: the body of a function, a loop, a
// branch. An initialiser ends nothing, and neither does what stands among arguments.
bool ends_with_block(const std::string& before) {
  const auto parts = words(before);
  if (parts.empty() || is_one_of(parts.back(), "else do try")) return true;
  if (std::ranges::count(before, '(') > std::ranges::count(before, ')')) return false;
  return head_of(before).find('(') != npos;
}

}  // namespace

File::File(std::string path_, std::string text_)
    : path(std::move(path_)),
      text(std::move(text_)),
      uncommented(blank(text, true)),
      code(blank(text, false)) {}

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  return {std::istream_iterator<std::string>(in), {}};
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::size_t line_of(std::string_view text, std::size_t position) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, position), '\n'));
}

std::vector<Include> includes(const File& file) {
  static const std::regex form(R"re(\s*#\s*include\s*([<"])([^>"]+)[>"].*)re");
  std::vector<Include> out;
  std::size_t number = 0;
  for (const auto& line : lines(file.uncommented)) {
    ++number;
    std::smatch match;
    if (line.find("include") == npos || !std::regex_match(line, match, form)) continue;
    out.push_back({match[2], match[1] == "\"", number});
  }
  return out;
}

std::vector<Named> calls(const File& file, std::string_view functions) {
  std::vector<Named> out;
  const std::string& code = file.code;
  for (const auto& name : words(functions)) {
    for (auto at = code.find(name); at != npos; at = code.find(name, at + 1)) {
      const char before = at == 0 ? ' ' : code[at - 1];
      const auto after = code.find_first_not_of(" \n", at + name.size());
      if (is_identifier(before) || before == '.' || before == '>') continue;
      if (after == npos || code[after] != '(') continue;
      out.push_back({name, line_of(code, at)});
    }
  }
  return out;
}

std::vector<Named> lasting_objects(const File& file) {
  static const std::regex opens_namespace(
      R"(\s*((inline\s+)?namespace(\s+[\w:]+)?|extern\s*"\s*")\s*)");
  struct Block {
    bool of_namespace;
    std::string before;
  };
  const std::string code = without_directives(file.code);
  std::vector<Named> out;
  std::vector<Block> blocks;
  std::string statement;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i] == '{') {
      blocks.push_back({std::regex_match(statement, opens_namespace), statement});
      statement.clear();
    } else if (code[i] == '}' && !blocks.empty()) {
      const Block block = std::move(blocks.back());
      blocks.pop_back();
      const bool ended = block.of_namespace || ends_with_block(block.before);
      statement = ended ? "" : block.before + "{}";
    } else if (code[i] == ';') {
      const bool at_namespace = std::ranges::all_of(blocks, &Block::of_namespace);
      if (const auto name = changing_object(statement, at_namespace)) {
        out.push_back({*name, line_of(code, i)});
      }
      statement.clear();
    } else if (!std::isspace(static_cast<unsigned char>(code[i]))) {
      statement += code[i];
    } else if (!statement.empty() && statement.back() != ' ') {
      statement += ' ';
    }
  }
  return out;
}

}  // namespace steward::tidy
