-- the length of a word
DO $$ BEGIN ASSERT my_ext.lookup('word') = 4; END $$;
