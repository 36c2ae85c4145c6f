CREATE TABLE shouted (id int, name text);
CREATE TRIGGER upper_name BEFORE INSERT OR UPDATE ON shouted FOR EACH ROW EXECUTE FUNCTION bystander.upper_name();
