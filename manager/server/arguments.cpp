#include <steward/manager/server/arguments.hpp>

#include <utility>

#include <steward/core/limits.hpp>

namespace steward::detail::server {

Arguments::Arguments(std::string_view encoded, core::HandleCodec& codec)
    : reader_(encoded), codec_(&codec), count_(reader_.array()) {}

void Arguments::too_few(const std::string& expected) const {
  throw BadCall("too few arguments: " + std::to_string(count_) + ", expected " + expected);
}

void Arguments::require(std::size_t least, std::size_t most) const {
  if (count_ >= least) return;
  too_few(std::to_string(least) + (least == most ? "" : " to " + std::to_string(most)));
}

void Arguments::next() {
  if (taken_ == count_) too_few("at least " + std::to_string(taken_ + 1));
  ++taken_;
}

void Arguments::explain(const BadCall& error) const {
  throw BadCall("argument " + std::to_string(taken_) + ": " + error.what());
}

bool Arguments::nil_or_missing() {
  if (!more()) return true;
  if (!reader_.nil_if_next()) return false;
  ++taken_;
  return true;
}

bool Arguments::take_bool() {
  next();
  try {
    return reader_.boolean();
  } catch (const BadCall& error) {
    explain(error);
  }
}

std::int64_t Arguments::take_integer() {
  next();
  try {
    return reader_.integer();
  } catch (const BadCall& error) {
    explain(error);
  }
}

std::uint64_t Arguments::take_natural() {
  next();
  try {
    return reader_.natural();
  } catch (const BadCall& error) {
    explain(error);
  }
}

double Arguments::take_real() {
  next();
  try {
    const bool whole = reader_.peek() == core::Kind::integer;
    return whole ? static_cast<double>(reader_.integer()) : reader_.real();
  } catch (const BadCall& error) {
    explain(error);
  }
}

std::string_view Arguments::take_string() {
  next();
  try {
    return reader_.string();
  } catch (const BadCall& error) {
    explain(error);
  }
}

Value Arguments::read_value() {
  Value value = core::decode_value(reader_, *codec_);
  if (value.depth() > core::kValueDepth) {
    throw BadCall("values are nested more than " + std::to_string(core::kValueDepth) + " deep");
  }
  return value;
}

Value Arguments::take_value() {
  next();
  try {
    return read_value();
  } catch (const BadCall& error) {
    explain(error);
  }
}

std::vector<Value> Arguments::take_list() {
  next();
  try {
    const std::size_t size = reader_.array();
    std::vector<Value> items;
    for (std::size_t i = 0; i < size; ++i) items.push_back(read_value());
    return items;
  } catch (const BadCall& error) {
    explain(error);
  }
}

Value::Map Arguments::take_entries() {
  next();
  try {
    if (reader_.peek() == core::Kind::map) return read_value().map();
    Value::Map entries;
    for (std::size_t left = reader_.array(); left > 0; --left) {
      const Value pair = read_value();
      if (pair.kind() != ValueKind::list || pair.list().size() != 2) {
        constexpr std::size_t kShown = 200;
        throw BadCall("expected [key, value], got " + core::json_prefix(pair, kShown));
      }
      entries.emplace_back(pair.list()[0], pair.list()[1]);
    }
    return entries;
  } catch (const BadCall& error) {
    explain(error);
  }
}

std::string_view Arguments::take_encoded() {
  next();
  return reader_.skip(core::kFrameDepth);
}

void Arguments::finish() const {
  if (more()) {
    throw BadCall("too many arguments: " + std::to_string(count_) + ", expected " +
                  std::to_string(taken_));
  }
}

}  // namespace steward::detail::server
